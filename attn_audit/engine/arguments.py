"""MODEL and DATA as a user wrote them: whether both are there, and each in its own place."""

from collections.abc import Sequence
from pathlib import Path

from attn_audit.data.location import is_saved, suffix_of
from attn_audit.errors import CheckpointNotFoundError, ConfigurationError
from attn_audit.findings.registry import measures
from attn_audit.models.huggingface.hub import may_be_a_hub_name
from attn_audit.settings import FIELDS, IN_MEMORY, AuditSettings

WEIGHTS = (".pt", ".pth", ".th", ".ckpt", ".bin", ".safetensors", ".onnx", ".gguf")
IN_MODELS = ("config.json", "adapter_config.json", "enc.th")
"""What files of weights end in, and what every folder of a model has one of."""


def require_inputs(settings: AuditSettings) -> None:
    """Refuse to guess: nothing is ever audited by accident.

    Raises:
        ConfigurationError: No model or no data was named, or one in the place of the other, or a
            split of a file.
    """
    require_places(settings.model, settings.data, settings.adapter)
    missing = [name for name in ("model", "data") if not getattr(settings, name)]
    if missing:
        raise ConfigurationError(
            f"nothing to audit: no {' and no '.join(name.upper() for name in missing)} given",
            hint="Give both as arguments, or as `model` and `data` in attn-audit.toml. "
            "`attn-audit demo` audits a packaged example.",
        )
    require_splits(settings)


def require_splits(settings: AuditSettings) -> None:
    """Refuse to read all of what a part was asked of.

    Raises:
        ConfigurationError: A split is named, and a file.
    """
    file = next((each for each in settings.data if Path(each).is_file()), None)
    if file is not None and settings.split != FIELDS["split"].default:
        raise ConfigurationError(
            f"--split {settings.split}: {file} is a file, which has no splits",
            hint="Leave it out, or name the folder of the splits.",
        )


def require_candidates(settings: AuditSettings) -> None:
    """Refuse to recommend where nothing could be.

    Raises:
        ConfigurationError: All measures that are named are for correlation alone.
    """
    candidates = [found.name for found in measures() if not found.is_of_correlation]
    named = settings.measures
    if named is not None and not settings.shown and not set(named) & set(candidates):
        raise ConfigurationError(
            f"--measures {','.join(named)}: nothing that could be recommended, for it is read for "
            "correlation alone",
            hint=f"Name some of {', '.join(candidates)}, or none for all that the model has.",
        )


def require_places(model: str | None, data: Sequence[str], adapter: str | None) -> None:
    """Refuse a data set where the model belongs, and the other way round; and no model at all.

    What is neither by its looks may be a name on the hub, and with an adapter MODEL is whatever
    that takes.

    Raises:
        CheckpointNotFoundError: There is no such model, and it is no name on the hub.
        ConfigurationError: Says which of the two was mistaken for the other.
    """
    is_data = model is not None and adapter is None and looks_like_data(model)
    wrong = next((name for name in data if looks_like_model(name)), None)
    if wrong is not None and model is not None and looks_like_model(model):
        hint = "Give one model, and the texts behind it."
        raise ConfigurationError(f"DATA is a model as well: {wrong}", hint=hint)
    if wrong is not None or (is_data and data and not any(map(looks_like_data, data))):
        what = f"{model} is data" if wrong is None else f"{wrong} is a model"
        hint = f"The model comes first: {' '.join(data)} {model}"
        raise ConfigurationError(f"MODEL and DATA are swapped: {what}", hint=hint)
    if is_data:
        raise ConfigurationError(
            f"MODEL is data as well: {model}" if data else f"no MODEL given: {model} is data",
            hint="Give the model, and the data behind it; `demo` is a packaged model.",
        )
    if model is not None and adapter is None and model.endswith(".py"):
        raise ConfigurationError(
            f"MODEL is code, and no --adapter is given: {model}",
            hint=f"Name the function that makes the model: --adapter {model}:FUNCTION; "
            "MODEL is what it takes, its weights for instance.",
        )
    is_named = model not in (None, IN_MEMORY) and adapter is None
    if model is not None and is_named and not (Path(model).exists() or may_be_a_hub_name(model)):
        raise CheckpointNotFoundError(model)


def looks_like_data(name: str) -> bool:
    """Whether it is data by its name, or a folder of splits."""
    path = Path(name)
    if name == "-" or suffix_of(path) is not None:
        return True
    is_folder = path.is_dir() and not looks_like_model(name)
    return is_folder and (is_saved(path) or any(map(suffix_of, path.iterdir())))


def looks_like_model(name: str) -> bool:
    """Whether it is weights by its name, or a folder of a model."""
    path = Path(name)
    return path.suffix.lower() in WEIGHTS or any((path / part).is_file() for part in IN_MODELS)
