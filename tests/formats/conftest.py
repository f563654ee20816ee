"""Reports that audits made: of the packaged model, and of tiny ones where it has no such thing.

Each is made once, wherever it is imported: pytest alone would make it again for every module.
"""

from collections.abc import Callable
from io import BytesIO, TextIOWrapper

import pytest
from rich.console import Console

from attn_audit import audit
from attn_audit.data.example import Example
from attn_audit.document import Document
from attn_audit.formats.terminal import show
from attn_audit.models.task import TaskKind
from attn_audit.results.report import Report
from tests.checkpoints import SENTENCES
from tests.conftest import Checkpoint
from tests.releases import once, write_model, write_texts

Shown = Callable[..., str]


@pytest.fixture(scope="session")
@once
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """All checks on the packaged model and texts, with records."""
    records = tmp_path_factory.mktemp("report") / "report.records.parquet"
    return audit("demo", "demo", records=str(records))


@pytest.fixture(scope="session")
@once
def unlabelled() -> Report:
    """The packaged model on texts without labels."""
    texts = [Example(str(i), text) for i, text in enumerate(SENTENCES)]
    return audit("demo", texts, permutations=20)


@pytest.fixture(scope="session")
@once
def multilabel(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Texts with several of ten labels; the readout allows no exact adversary."""
    folder = tmp_path_factory.mktemp("multilabel")
    model = write_model(folder / "model.pt", 2.0, TaskKind.MULTILABEL, n_labels=10)
    texts = write_texts(folder / "texts.jsonl", 60, kind=TaskKind.MULTILABEL)
    return audit(str(model), str(texts), permutations=20, iterations=20, restarts=2)


@pytest.fixture(scope="session")
@once
def transformer(checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Report:
    """A small BERT, every layer and head asked for, with records of both kinds; no adversary."""
    records = tmp_path_factory.mktemp("transformer") / "report.records.parquet"
    return audit(
        str(checkpoint("bert")), sentences()[:14], layer="all", head="all", permutations=5,
        checks="correlation,permutation", records=str(records),
    )  # fmt: skip


@pytest.fixture(scope="session")
@once
def by_layer(checkpoint: Checkpoint) -> Report:
    """The correlation check alone, heads averaged in every layer."""
    return audit(str(checkpoint("bert")), sentences(), layer="all", checks="correlation")


@pytest.fixture(scope="session")
@once
def nothing_measured() -> Report:
    """Every check was run, and no example could be measured: all have one word."""
    words = [Example(str(i), word, labels=("glad",)) for i, word in enumerate(("fine", "awful"))]
    return audit("demo", words, permutations=10)


@pytest.fixture(scope="session")
@once
def only_correlation() -> Report:
    """One check with one measure."""
    return audit("demo", "demo", limit=40, checks="correlation", measures="gradient")


def sentences() -> list[Example]:
    """Texts in words that tiny checkpoints know."""
    labels = ("LABEL_0", "LABEL_1")
    return [Example(f"s{i}", text, labels=(labels[i % 2],)) for i, text in enumerate(SENTENCES)]


@pytest.fixture
def shown() -> Shown:
    """A document as it is shown on a console without a terminal."""

    def print_(document: Document, width: int = 80, encoding: str = "utf-8") -> str:
        buffer = BytesIO()
        with TextIOWrapper(buffer, encoding=encoding, write_through=True) as file:
            show(document, Console(file=file, width=width, _environ={}))
            return buffer.getvalue().decode(encoding)

    return print_
