"""`python -m attn_audit` is `attn-audit`."""

from attn_audit.cli import main

main()
