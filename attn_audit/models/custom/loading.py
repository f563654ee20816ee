"""From a user's adapter to a model that can be audited."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import nn

from attn_audit.code import source_file
from attn_audit.data.example import Example
from attn_audit.errors import ConfigurationError, InvalidWeightsError
from attn_audit.files import sha256_of
from attn_audit.models.custom.adapter import load_adapter
from attn_audit.models.custom.classifier import CustomClassifier
from attn_audit.models.custom.custom_model import CustomModel
from attn_audit.models.custom.encoding import Splitter
from attn_audit.models.custom.failures import failures_named
from attn_audit.models.custom.model import CustomInterceptedModel
from attn_audit.models.fingerprint import fingerprint
from attn_audit.models.interception.model import RemovalName
from attn_audit.models.interception.probes import or_probes
from attn_audit.models.precision import coarsest_dtype
from attn_audit.models.units.base import UnitName
from attn_audit.results.description import ModelDescription

Details = Mapping[str, str | int | float | bool]


def load_custom_model(
    adapter: str,
    checkpoint: str,
    trial: Sequence[Example],
    device: torch.device,
    *,
    unit: UnitName = "token",
    max_length: int | None = None,
    removal: RemovalName | None = None,
) -> CustomInterceptedModel:
    """Call a user's function, and find out by trial how its module computes attention.

    Args:
        adapter: `package.module:function` or `path/file.py:function`.
        checkpoint: What the function gets.
        trial: A few texts of the data; none: a few built-in ones.
        device: Where the module goes.
        unit: What is audited: tokens, or words with all their tokens.
        max_length: Tokens after which a text is cut.
        removal: How leave-one-out leaves a unit out; None: by mask where that is exact.

    Raises:
        AuditFailedError: The module or `encode` fails.
        ConfigurationError: The function cannot be called, or does not give what is asked of it.
        IncompatibleDataError: A text of the trial does not fit the model.
        InvalidWeightsError: The weights hold NaN or infinity.
        UnsupportedModelError: No attention over the input is seen.
    """
    custom = load_adapter(adapter, checkpoint)
    source = source_file(adapter.rpartition(":")[0])
    details = {"adapter": adapter} | (
        {} if source is None else {"adapter sha256": sha256_of(source)}
    )
    path = Path(checkpoint)
    return build_custom_model(
        custom,
        or_probes(trial, as_pairs=custom.takes_pairs),
        device,
        Splitter(custom, unit, max_length),
        removal=removal,
        source=checkpoint,
        sha256=fingerprint(path) if path.exists() else None,
        details=details,
    )


def build_custom_model(
    custom: CustomModel,
    trial: Sequence[Example],
    device: torch.device,
    splitter: Splitter,
    *,
    removal: RemovalName | None = None,
    source: str = "in memory",
    sha256: str | None = None,
    details: Details | None = None,
) -> CustomInterceptedModel:
    """Find out by trial how a user's module computes attention.

    Args:
        custom: The module, and what the user says of it.
        trial: A few texts, of different lengths.
        device: Where the module goes.
        splitter: Texts into tokens and units.
        removal: How leave-one-out leaves a unit out; None: by mask where that is exact.
        source: What reports call it.
        sha256: Of the checkpoint's content.
        details: What else reports say.

    Raises:
        AttnAuditError: As `load_custom_model`.
    """
    if removal == "mask" and custom.mask is None:
        raise ConfigurationError(
            "--removal mask: the adapter names no attention mask",
            hint="Say in CustomModel which argument it is, mask=..., or say --removal delete.",
        )
    module = custom.module.to(device).eval()
    _require_finite(module, source)
    description = _describe(custom, source, sha256, details or {})
    with failures_named(lambda: [example.id for example in trial]):
        classifier = CustomClassifier(custom, trial, splitter, description)
    within = None if custom.attention is None else module.get_submodule(custom.attention)
    return CustomInterceptedModel(classifier, trial, removal, within)


def _require_finite(module: nn.Module, source: str) -> None:
    for name, parameter in module.named_parameters():
        if not bool(parameter.isfinite().all()):
            raise InvalidWeightsError(source, name)


def _describe(
    custom: CustomModel, source: str, sha256: str | None, details: Details
) -> ModelDescription:
    parameters = list(custom.module.parameters())
    named = {
        "attention": custom.attention,
        "embedding": custom.embedding,
        "columns": custom.columns,
        "mask": custom.mask,
    }
    return ModelDescription(
        source=source,
        sha256=sha256,
        format="adapter",
        architecture=_architecture(custom.module),
        task=custom.audited_task.name,
        labels=custom.audited_task.labels,
        sites=(),
        layers=(),
        default_layer=0,
        n_parameters=sum(parameter.numel() for parameter in parameters),
        dtype=str(coarsest_dtype(custom.module)).removeprefix("torch."),
        linear_readout=False,
        takes_pairs=custom.takes_pairs,
        details={
            **details,
            "output": custom.output,
            **{field: name for field, name in named.items() if name is not None},
        },
    )


def _architecture(module: nn.Module) -> str:
    """The module's class, and those of its innermost parts."""
    inner = [type(m).__name__ for m in module.modules() if next(m.children(), None) is None]
    parts = ", ".join(dict.fromkeys(inner))
    name = type(module).__name__
    return name if parts == name else f"{name} ({parts})"
