"""The model and the data that an audit's settings name."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from attn_audit import demo
from attn_audit.config import AuditSettings
from attn_audit.data.example import Example
from attn_audit.data.reading import (
    DataSource,
    FieldNames,
    fingerprint,
    read_examples,
    resolve,
    sample_examples,
)
from attn_audit.models.base import AuditedModel
from attn_audit.models.loading import load_model, resolve_device
from attn_audit.results.report import DataDescription


def load_named_model(settings: AuditSettings) -> AuditedModel:
    """The model that the settings name, on the device that they name.

    Args:
        settings: Checked, with a model.

    Raises:
        CheckpointError: Missing, unreadable, unsafe or not supported.
        DeviceError: There is no such device.
        InvalidWeightsError: The weights are not numbers.
    """
    assert settings.model is not None, "settings.require_inputs() comes first"
    vocabulary = None if settings.vocabulary is None else Path(settings.vocabulary)
    location = demo.or_packaged(settings.model, demo.MODEL)
    return load_model(location, resolve_device(settings.device), vocabulary)


@dataclass(frozen=True)
class AuditedData:
    """Examples, and what is known of where they come from."""

    examples: Iterable[Example]
    source: str
    name: str
    split: str | None
    sha256: str | None

    @staticmethod
    def of(settings: AuditSettings) -> "AuditedData":
        """The data that the settings name.

        Raises:
            DataError: It is not there, or cannot be read.
        """
        assert settings.data is not None, "settings.require_inputs() comes first"
        source = DataSource(
            location=demo.or_packaged(settings.data, demo.DATA),
            split=settings.split,
            fields=FieldNames(**settings.fields),
            label_map=settings.label_map,
        )
        found = resolve(source)
        return AuditedData(
            examples=read_examples(source),
            source=settings.data,
            name=found.name,
            split=found.split,
            sha256=fingerprint(found),
        )

    @staticmethod
    def in_memory(examples: Iterable[Example]) -> "AuditedData":
        """Examples that the caller holds."""
        return AuditedData(examples, "examples in memory", "examples in memory", None, None)

    def sampled(self, settings: AuditSettings) -> Iterable[Example]:
        """The examples, or the random sample of them that the settings ask for."""
        if settings.limit is None:
            return self.examples
        return sample_examples(self.examples, settings.limit, settings.seed)

    def describe(
        self, settings: AuditSettings, n_examples: int, n_labelled: int, n_truncated: int
    ) -> DataDescription:
        """The data as the report names it, with what was counted while it was read."""
        return DataDescription(
            source=self.source,
            name=self.name,
            split=self.split,
            sha256=self.sha256,
            n_examples=n_examples,
            limit=settings.limit,
            n_labelled=n_labelled,
            n_truncated=n_truncated,
        )
