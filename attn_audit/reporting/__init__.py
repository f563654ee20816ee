"""From what an audit finds to its report and its records files."""
