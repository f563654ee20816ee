"""A model's configuration: of a classifier of texts, and without code that nobody trusts."""

import json
from typing import Any

from attn_audit.data.quoting import quoted
from attn_audit.errors import UnreadableCheckpointError, UnsupportedModelError
from attn_audit.models.huggingface.announced import require_possible
from attn_audit.models.huggingface.failures import loading
from attn_audit.models.huggingface.locating import Checkpoint

CONFIG = "config.json"
MAX_BYTES = 2**26
"""Of a file that says what a checkpoint holds."""

CLASSIFIER = "AutoModelForSequenceClassification"


def read_configuration(checkpoint: Checkpoint) -> Any:
    """Read `config.json`.

    Args:
        checkpoint: The model's files.

    Raises:
        UnreadableCheckpointError: It is damaged.
        UnsupportedModelError: There is none, or it is of no classifier of texts, or of one with
            code of its own.
    """
    from transformers import AutoConfig

    if not checkpoint.holds(CONFIG):
        raise UnsupportedModelError(
            f"{checkpoint.location} holds no model: no {CONFIG}, as of HuggingFace, and if it is a "
            "folder of the original code, it has no dec.th"
        )
    written = read_json(checkpoint, CONFIG)
    require_possible(checkpoint.location, written)
    code = written.get("auto_map") or {}
    _require_known_type(checkpoint, written.get("model_type"), "AutoConfig" in code)
    with loading(checkpoint.location, f"its {CONFIG}"):
        config = AutoConfig.from_pretrained(checkpoint.name, **checkpoint.arguments)
    _require_classifier(checkpoint, config, CLASSIFIER in code)
    return config


def read_json(checkpoint: Checkpoint, name: str) -> dict[str, Any]:
    """One of the files that say what a checkpoint holds.

    Raises:
        UnreadableCheckpointError: It cannot be read, or it is no JSON object.
    """
    try:
        file = checkpoint.folder / name
        if file.stat().st_size > MAX_BYTES:
            raise ValueError(f"longer than {MAX_BYTES >> 20} MiB")
        content = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError, OSError) as error:
        raise UnreadableCheckpointError(
            checkpoint.location, f"its {name} is damaged or cannot be read ({error})"
        ) from None
    if not isinstance(content, dict):
        raise UnreadableCheckpointError(checkpoint.location, f"its {name} is no JSON object")
    return content


def _require_known_type(checkpoint: Checkpoint, model_type: object, has_code: bool) -> None:
    from transformers import CONFIG_MAPPING, __version__

    if model_type in CONFIG_MAPPING:
        return
    if has_code:
        _require_trust(checkpoint)
        return
    if model_type is None:
        raise UnreadableCheckpointError(
            checkpoint.location, f"its {CONFIG} names no model_type: it is no transformers model"
        )
    raise UnsupportedModelError(
        f"{checkpoint.location} is of type {quoted(model_type)}, which transformers {__version__} "
        "does not know"
    )


def _require_classifier(checkpoint: Checkpoint, config: Any, has_code: bool) -> None:
    from transformers import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING

    if type(config) not in MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING:
        if not has_code:
            raise UnsupportedModelError(
                f"{checkpoint.location} is of type {quoted(config.model_type)}, of which "
                "transformers has no classifier of texts"
            )
        _require_trust(checkpoint)
    # A decoder's token classifier has weights of the same names and shapes.
    names = config.architectures if isinstance(config.architectures, (list, tuple)) else ()
    head = next((name for name in map(str, names) if "TokenClassif" in name), None)
    if head is not None:
        raise UnsupportedModelError(
            f"{checkpoint.location} is a {head}: it labels tokens, and only classifiers of whole "
            "texts can be audited"
        )


def _require_trust(checkpoint: Checkpoint) -> None:
    if not checkpoint.runs_code:
        raise UnsupportedModelError(
            f"{checkpoint.location} is a model with code of its own, which is not run unasked",
            hint="Read the code; if you trust it, add --trust-remote-code.",
        )
