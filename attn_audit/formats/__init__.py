"""What an audit found, written: a document for each kind of result, and formats that render it."""
