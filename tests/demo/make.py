"""Make the packaged model and texts again: `python -m tests.demo.make GOEMOTIONS_FOLDER`.

GoEmotions (Demszky et al. 2020, Apache-2.0) is reduced to a binary task: comments whose emotions
are all glad, against comments whose emotions are all troubled. Comments with coarse, hostile or
distressing words are left out before anything else, from the training data as well, so that
neither texts nor vocabulary hold them.
"""

import hashlib
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from attn_audit.data.example import Example, sample_examples
from attn_audit.data.reading import read_examples
from attn_audit.data.source import DataSource
from attn_audit.demo import DATA, MODEL
from attn_audit.models.paper.checkpoint import Tokenizer

GLAD = frozenset(
    ("admiration", "gratitude", "joy", "love", "optimism", "relief", "pride", "excitement")
)
TROUBLED = frozenset(
    ("sadness", "disappointment", "grief", "remorse", "fear", "nervousness", "embarrassment")
)
LABELS = {"glad": GLAD, "troubled": TROUBLED}

N_TEXTS = 300
MIN_WORDS, MAX_WORDS = 6, 30
MIN_COUNT = 4
"""Rarer words are not in the vocabulary, and texts that hold one are not shipped."""

SEED = 0

LEFT_OUT_WORDS = Path(__file__).parent / "left_out_words.txt"
"""First 12 digits of the SHA-256 of every word whose texts are left out, so that nothing here
spells them."""

LEFT_OUT_TEXTS = frozenset(
    (
        "ed8un4o",
        "ede2zgs",
        "ee72tj4",
        "ee8hqqr",
        "eeg3pe3",
        "eehvsaq",
        "eev6gpc",
        "eevvus4",
        "eez0k0k",
        "ef2n7oz",
        "ef4lrdu",
        "ef7new6",
    )
)
"""Comments that read as hostile or distressing without any such word: seen by eye."""

TRAINING = (
    "--encoder", "bilstm", "--attention", "additive", "--tokenizer", "words",
    "--min-count", str(MIN_COUNT), "--embedding-size", "64", "--hidden-size", "64",
    "--precision", "float16", "--seed", str(SEED), "--threads", "1",
)  # fmt: skip


def words_of(text: str) -> list[str]:
    """A text's words as the demo model sees them."""
    return [Tokenizer.WORDS.token(unit) for unit in Tokenizer.WORDS.units(text)]


def digest(word: str) -> str:
    """What `LEFT_OUT_WORDS` holds for a word."""
    return hashlib.sha256(word.encode()).hexdigest()[:12]


def read_task(folder: Path, split: str) -> Iterator[tuple[Example, str]]:
    """The comments of a split that belong to the binary task, with their label."""
    left_out = frozenset(LEFT_OUT_WORDS.read_text(encoding="utf-8").split())
    for example in read_examples(DataSource(str(folder), split)):
        emotions = frozenset(example.labels or ())
        label = next((name for name, group in LABELS.items() if emotions <= group), None)
        if emotions and label and not any(digest(w) in left_out for w in words_of(example.text)):
            yield example, label


def write(path: Path, task: list[tuple[Example, str]]) -> None:
    """Write texts with their binary label."""
    lines = (
        json.dumps({"id": e.id, "text": e.text, "label": label}, ensure_ascii=False)
        for e, label in task
    )
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def choose_texts(
    task: list[tuple[Example, str]], vocabulary: frozenset[str]
) -> list[tuple[Example, str]]:
    """As many held-out texts of each label, of readable length, all words known to the model."""
    chosen: list[tuple[Example, str]] = []
    for label in LABELS:
        readable = [
            example
            for example, own in task
            if own == label
            and example.id not in LEFT_OUT_TEXTS
            and MIN_WORDS <= len(words := words_of(example.text)) <= MAX_WORDS
            and vocabulary.issuperset(words)
        ]
        sample = sample_examples(readable, N_TEXTS // len(LABELS), SEED)
        chosen += [(example, label) for example in sample]
    return sorted(chosen, key=lambda pair: pair[0].id)


def make(folder: Path) -> None:
    """Train the demo model and choose the demo texts."""
    from attn_audit.cli import app
    from attn_audit.models.paper.checkpoint import read_checkpoint

    with tempfile.TemporaryDirectory() as temporary:
        task = Path(temporary) / "goemotions_glad_troubled"  # the checkpoint keeps this name
        task.mkdir()
        for split in ("train", "dev"):
            write(task / f"{split}.jsonl", list(read_task(folder, split)))
        app(["train", str(task), *TRAINING, "--output", str(MODEL)], standalone_mode=False)
    vocabulary = frozenset(read_checkpoint(MODEL).vocabulary.tokens)
    write(DATA, choose_texts(list(read_task(folder, "test")), vocabulary))


if __name__ == "__main__":
    make(Path(sys.argv[1]))
