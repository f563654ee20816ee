"""A tokenizer from its files, or the reason why there is none."""

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from attn_audit.data.quoting import listed, quoted
from attn_audit.errors import CheckpointError, UnreadableCheckpointError, UnsupportedModelError
from attn_audit.models.huggingface.configuration import read_json
from attn_audit.models.huggingface.failures import loading
from attn_audit.models.huggingface.locating import Checkpoint
from attn_audit.models.huggingface.quiet import silenced

TRIAL = "A text, and all that stands around it."

TOKENIZER_CONFIG = "tokenizer_config.json"
SAVED = "tokenizer.json"
"""What every fast tokenizer is saved as; few begin with it."""
FILES = (
    *("tokenizer*", "vocab*", "*.model", "*.spm", "*.tiktoken", "*.tokenizer"),
    *("bpe.codes", "byte_maps.json"),
)
"""One of these is there wherever there is a tokenizer."""

PIECES = ("*.model", "*.spm")
"""Of SentencePiece, or of tiktoken under the same name."""
TIKTOKEN = re.compile(rb"[A-Za-z0-9+/=]+ \d+\r?\n")
"""The first line of tiktoken's."""
READERS = {"sentencepiece": "sentencepiece", "protobuf": "google.protobuf"}
"""What `transformers` reads SentencePiece's with, as it is installed and as it is imported. Where
one is missing it tries tiktoken, and says that this is missing."""

ELSEWHERE = (
    "or load the tokenizer with transformers where it is installed, and save it: save_pretrained "
    f"writes {SAVED} for most."
)


def has_tokenizer(checkpoint: Checkpoint) -> bool:
    """Whether there is any file of one."""
    return any(checkpoint.holds(pattern) for pattern in FILES)


def load_tokenizer(checkpoint: Checkpoint) -> Any:
    """Load a tokenizer, and try it out.

    Args:
        checkpoint: Its files.

    Raises:
        UnreadableCheckpointError: There is none, a file of it is missing, or it is damaged.
        UnsupportedModelError: It takes a package that is not installed.
    """
    from transformers import AutoTokenizer

    if has_tokenizer(checkpoint):
        try:
            with loading(checkpoint.location, "its tokenizer"), silenced():
                tokenizer = AutoTokenizer.from_pretrained(checkpoint.name, **checkpoint.arguments)
                tokenizer(TRIAL)  # what does not fit together shows itself here, and not later
        except CheckpointError as error:
            raise _explained(checkpoint, error) from error
        # Without its vocabulary the library makes a tokenizer that knows no word, and says nothing.
        files = tokenizer.vocab_files_names.values()
        if not files or any(checkpoint.holds(name) for name in files):
            return tokenizer
    raise UnreadableCheckpointError(
        checkpoint.location,
        f"it holds no tokenizer ({SAVED})",
        hint="Save the tokenizer that it was trained with beside it: save_pretrained.",
    )


def _explained(checkpoint: Checkpoint, error: CheckpointError) -> CheckpointError:
    """The real reason, where the library gave another one."""
    if isinstance(error, UnsupportedModelError):  # a package, which it names
        return UnsupportedModelError(error.message, hint=f"Install it, {ELSEWHERE}")
    lacking = _missing_files(checkpoint)
    if lacking:
        return UnreadableCheckpointError(checkpoint.location, lacking)
    pieces = None if checkpoint.holds(SAVED) else _pieces(checkpoint)
    if pieces is None:
        return error
    is_tiktoken = _is_tiktoken(pieces)
    readers = {"tiktoken": "tiktoken"} if is_tiktoken else READERS
    missing = [name for name, module in readers.items() if not _is_installed(module)]
    if missing:
        return UnsupportedModelError(
            f"cannot load the tokenizer of {checkpoint.location}: its {pieces.name} cannot be read "
            f"without {' and '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not "
            "installed",
            hint=f"Run pip install {' '.join(missing)}, {ELSEWHERE}",
        )
    if "tiktoken" in error.message and not is_tiktoken:
        problem = f"its tokenizer: its {pieces.name} is damaged"
        return UnreadableCheckpointError(checkpoint.location, problem)
    return error


def _missing_files(checkpoint: Checkpoint) -> str | None:
    """What a tokenizer of its class reads and does not find."""
    import transformers

    if not checkpoint.holds(TOKENIZER_CONFIG) or checkpoint.holds(SAVED):
        return None
    name = read_json(checkpoint, TOKENIZER_CONFIG).get("tokenizer_class")
    kind = getattr(transformers, name, None) if isinstance(name, str) else None
    if isinstance(name, str) and kind is None and not checkpoint.runs_code:
        return f"its tokenizer is a {quoted(name)}, which transformers does not know"
    wanted = getattr(kind, "vocab_files_names", {}).values()
    lacking = [file for file in wanted if file != SAVED and not checkpoint.holds(file)]
    return f"its tokenizer, a {name}, lacks {listed(lacking)}" if lacking else None


def _pieces(checkpoint: Checkpoint) -> Path | None:
    files = (file for pattern in PIECES for file in sorted(checkpoint.folder.glob(pattern)))
    return next(files, None)


def _is_tiktoken(file: Path) -> bool:
    with file.open("rb") as content:
        return TIKTOKEN.match(content.readline(1000)) is not None


def _is_installed(module: str) -> bool:
    """A package that is not there has no parts either."""
    return find_spec(module.partition(".")[0]) is not None and find_spec(module) is not None
