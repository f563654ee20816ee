"""Options that say what a report is judged by, and what an open verdict counts as."""

from typing import Annotated, Any, Literal

from attn_audit.cli.options.base import GATE, option

Policy = Annotated[
    str | None,
    option(
        "--policy",
        panel=GATE,
        metavar="FILE|default",
        help="Judge the report by this policy; the exit code is the verdict. (default: none)",
    ),
]

Inconclusive = Annotated[
    Literal["pass", "fail"] | None,
    option(
        "--inconclusive",
        panel=GATE,
        help="What an inconclusive verdict counts as. (default: neither: exit code 4)",
    ),
]

JUDGING: dict[str, Any] = {"policy": Policy, "inconclusive": Inconclusive}
