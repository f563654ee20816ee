"""What each command may be called with, and what that does: part of its help."""

from typing import Final

EXAMPLES: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "audit": (
        ("attn-audit audit model.pt data/", "Show the report here, and keep it as `last`."),
        (
            "attn-audit audit model.pt data/ -o report.json -o report.html --records all.parquet",
            "A report to gate and compare, a page to read, and what was found of each text.",
        ),
        (
            "attn-audit audit org/name tickets.csv --text-field body --limit 500 --policy default",
            "A sample of a table, by a model of the hub; the exit code is the answer.",
        ),
    ),
    "correlate": (
        ("attn-audit correlate model.pt data/", "By gradients and leave-one-out."),
        (
            "attn-audit correlate model.pt data/ --measures gradient,integrated_gradients",
            "By other measures; `attn-audit measures` lists them.",
        ),
    ),
    "permute": (
        ("attn-audit permute model.pt data/", "With 100 orders of each text's weights."),
        ("attn-audit permute model.pt data/ --layer 4", "In another layer than the last."),
    ),
    "adversarial": (
        ("attn-audit adversarial model.pt data/ --limit 200", "On a random sample."),
        (
            "attn-audit adversarial model.pt data/ --epsilon 0.05",
            "Count outputs as the same that are up to 0.05 apart.",
        ),
    ),
    "recommend": (
        ("attn-audit recommend model.pt data/", "Of all measures that the model has."),
        (
            "attn-audit recommend model.pt data/ --without-attention",
            "Of a model whose attention is not to be looked at, or that has none.",
        ),
    ),
    "shown": (
        (
            "attn-audit shown texts.jsonl --shown product_scores --rationale-field marked",
            "Scores of a product beside what people marked.",
        ),
        ("attn-audit shown texts.jsonl --shown ours,theirs", "Two products beside each other."),
    ),
    "plan": (
        ("attn-audit plan model.pt data/", "How long an audit takes, and how much memory."),
        ("attn-audit plan model.pt data/ --layer all --head all", "Of every head by itself."),
    ),
    "check-data": (
        ("attn-audit check-data model.pt data/", "Whether the texts and labels fit the model."),
        (
            "attn-audit check-data model.pt tickets.csv --text-field body --label-map NEG=negative",
            "With a table's own names.",
        ),
    ),
    "inspect": (
        ("attn-audit inspect model.pt", "What it is, tried out on texts of ours."),
        ("attn-audit inspect org/name data/ -o model.md", "On some of yours, into a file."),
    ),
    "report": (
        ("attn-audit report last", "Show the last report again."),
        ("attn-audit report last -o report.json -o report.html", "Keep it for good, with a page."),
        ("attn-audit report run/ -o report.json", "Of an audit with --run-dir, finished or not."),
    ),
    "verify": (
        ("attn-audit verify report.json model.pt data/", "Is it of this model and these texts?"),
        ("attn-audit verify report.json model.pt data/ --seed 7", "By another tenth of them."),
    ),
    "explain": (
        ('attn-audit explain model.pt --text "a lovely film"', "Shade its words here."),
        (
            'attn-audit explain model.pt --text "a lovely film" --report last -o lovely.html',
            "As a page; after `recommend`, first what that said may be shown instead.",
        ),
    ),
    "gate": (
        ("attn-audit gate last", "Judge the last report by the packaged rules."),
        (
            "attn-audit gate report.json --policy policy.toml -o gate.xml -o gate.sarif",
            "By rules of yours, for a pipeline.",
        ),
        ("attn-audit gate --print-default-policy", "The packaged rules, to start yours from."),
    ),
    "compare": (
        ("attn-audit compare report.json last", "What the last audit found anew."),
        (
            "attn-audit compare old.json new.json --policy no-worse -o changes.md",
            "Exit code 1 if the new release is worse.",
        ),
    ),
    "table": (
        ("attn-audit table seed0.json seed1.json cnn.json", "Models, and means over seeds."),
        ("attn-audit table *.json -o table.tex -o table.csv", "For a paper and for a program."),
        (
            "attn-audit table last cnn.json --only gradient",
            "One table, with the last report in it.",
        ),
    ),
    "metrics": (
        ("attn-audit metrics", "All that a policy may bound, and records hold."),
        ("attn-audit metrics -o metrics.html", "As a page."),
    ),
    "measures": (
        ("attn-audit measures", "All that attention is compared with."),
        ("attn-audit measures --plugin mine.py", "Those of yours too."),
    ),
    "train": (
        ("attn-audit train data/ -o model.pt", "An LSTM with additive attention."),
        (
            "attn-audit train data/ --encoder average --embeddings glove.txt.gz -o model.pt",
            "An average of known word vectors, weighted by attention.",
        ),
    ),
    "paper": (
        ("attn-audit paper data/ -o paper", "Train, audit and tabulate the paper's six models."),
        (
            "attn-audit paper data/ -o paper --encoder cnn --seed 1 --seed 2 --limit 500",
            "Of one encoder two seeds, audited on a sample.",
        ),
    ),
    "demo": (
        ("attn-audit demo", "See what a report looks like."),
        ("attn-audit demo -o demo.html", "As a page."),
    ),
    "selftest": (
        ("attn-audit selftest", "Are the rules right where the truth is known?"),
        ("attn-audit selftest --format json", "For a program."),
    ),
    "help": (
        ("attn-audit help", "All commands."),
        ("attn-audit help gate", "One of them."),
    ),
}
"""By command."""
