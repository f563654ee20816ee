"""Options that say which attention is audited, and how."""

from typing import Annotated, Any, Literal

from attn_audit.cli.options.base import CHECKS, SITES, option

ATTENTION: dict[str, Any] = {
    "layer": Annotated[
        str | None,
        option(
            "--layer",
            panel=SITES,
            metavar="last|all|N",
            help="From 0, or each. (default: last: the last that reaches the output)",
        ),
    ],
    "head": Annotated[
        str | None,
        option(
            "--head",
            panel=SITES,
            metavar="mean|all|N",
            help="From 0, or each by itself. (default: mean: one explanation of all heads)",
        ),
    ],
    "rows": Annotated[
        Literal["readout", "all"] | None,
        option(
            "--rows",
            panel=SITES,
            help="The query rows that the output is read from, or every token's. "
            "(default: readout)",
        ),
    ],
    "unit": Annotated[
        Literal["token", "word"] | None,
        option(
            "--unit",
            panel=SITES,
            help="What people are shown, and so what is ranked, moved and left out. "
            "(default: token)",
        ),
    ],
}

EXPERIMENTS: dict[str, Any] = {
    "checks": Annotated[
        list[str] | None,
        option(
            "--checks",
            panel=CHECKS,
            metavar="NAME,...",
            help="Which checks. (default: correlation,permutation,adversarial)",
        ),
    ],
    "measures": Annotated[
        list[str] | None,
        option(
            "--measures",
            panel=CHECKS,
            metavar="NAME,...",
            help="What attention is correlated with. (default: gradient,leave_one_out)",
        ),
    ],
    "removal": Annotated[
        Literal["mask", "delete"] | None,
        option(
            "--removal",
            panel=CHECKS,
            help="How leave-one-out leaves a unit out. (default: mask; delete where a masked "
            "token still has influence)",
        ),
    ],
    "permutations": Annotated[
        int | None,
        option(
            "--permutations",
            panel=CHECKS,
            metavar="N",
            help="Random permutations of each example. (default: 100)",
        ),
    ],
    "epsilon": Annotated[
        float | None,
        option(
            "--epsilon",
            panel=CHECKS,
            metavar="DISTANCE",
            help="Largest change of the output that counts as none. "
            "(default: 0.01, for pairs 0.05)",
        ),
    ],
    "method": Annotated[
        Literal["auto", "exact", "gradient"] | None,
        option(
            "--method",
            panel=CHECKS,
            help="How adversarial attention is found. (default: auto: exact where possible)",
        ),
    ],
    "iterations": Annotated[
        int | None,
        option(
            "--iterations",
            panel=CHECKS,
            metavar="N",
            help="Steps of the gradient adversary. (default: 500)",
        ),
    ],
    "restarts": Annotated[
        int | None,
        option(
            "--restarts",
            panel=CHECKS,
            metavar="N",
            help="Distributions the gradient adversary searches with. (default: 5)",
        ),
    ],
}
