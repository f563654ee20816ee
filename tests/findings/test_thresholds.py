"""One table: no sentence, page or explanation decides by a number of its own."""

import ast
from collections.abc import Iterator
from pathlib import Path

import attn_audit

PACKAGE = Path(attn_audit.__file__).parent
SENTENCES = sorted((PACKAGE / "formats" / "documents").glob("*.py"))
TABLES = ("thresholds", "tolerance", "metric", "field", "measure")
OTHERS = [
    PACKAGE / "explanation.py",
    PACKAGE / "formats" / "markdown.py",
    *(p for p in (PACKAGE / "findings").rglob("*.py") if p.stem not in TABLES),
]

NO_LIMITS = {0.0, 1.0, 1e-12}
SIZES = {("answers.py", 0.1), ("answers.py", 1e6), ("answers.py", 1e9)}
SCALES = {("verdict.py", part) for part in (0.05, 0.1, 0.2, 0.5)}
OTHER = {
    ("correlation_pairs.py", 2.0),
    ("paper.py", 0.1),
    ("erasure.py", 2.0),
    ("example.py", 0.5),
    ("sites.py", 0.5),
}
OTHER |= SIZES | SCALES
"""How far apart two taus or probabilities may be; where one sigmoid's prediction turns; what the
strongest shade stands for; units of memory; where a scale may end."""


def numbers(path: Path) -> Iterator[tuple[str, float]]:
    """Every number that is no whole number, and where."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, float):
            yield path.name, node.value


def test_no_sentence_has_a_limit_of_its_own() -> None:
    assert len(SENTENCES) > 8
    found = {entry for path in (*SENTENCES, *OTHERS) for entry in numbers(path)}
    assert {(name, value) for name, value in found if value not in NO_LIMITS} <= OTHER


def test_no_sentence_writes_a_limit_out() -> None:
    """`0.1 or more` in a text would stay when the table changes."""
    written = ("0.1 or more", "p <= 0.05", "rate 0.05", "less than 0.1", "90%")
    sources = list((PACKAGE / "formats").rglob("*.py"))
    sources += [*(PACKAGE / "findings").rglob("*.py"), *(PACKAGE / "judgement").glob("*.py")]
    for path in sources:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert not [text for text in written if text in node.value], path
