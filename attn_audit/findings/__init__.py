"""What a number means: fields and metrics of each check, and the sentences and figures of them."""
