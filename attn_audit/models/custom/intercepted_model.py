"""A user's model behind the contract, made by an adapter; its failures name texts and lines."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path

import torch
from torch import nn

from attn_audit.data.example import Example
from attn_audit.distances import Logits, VariantAttention, VariantLogits
from attn_audit.errors import (
    AttnAuditError,
    AuditFailedError,
    ConfigurationError,
    SelfCheckError,
    UnsupportedModelError,
)
from attn_audit.files import sha256_of
from attn_audit.models.contract import (
    Batch,
    EncodedExample,
    Mass,
    Reading,
    Site,
    fingerprint,
)
from attn_audit.models.custom.adapter import failures_named, listed_ids, load_adapter
from attn_audit.models.custom.batches import try_sharing
from attn_audit.models.custom.classifier import CustomClassifier
from attn_audit.models.custom.custom_model import CustomModel
from attn_audit.models.custom.encoding import EncodedText, Splitter, first_units, joined
from attn_audit.models.interception.classifier import IN_MEMORY, Provenance, or_probes
from attn_audit.models.interception.erased_logits import Sharing
from attn_audit.models.interception.key_order import Geometry, require_places
from attn_audit.models.interception.model import InterceptedModel, RemovalName
from attn_audit.models.options import ModelOptions
from attn_audit.models.self_check import TOLERANCES, rounding
from attn_audit.models.state_dict import require_finite
from attn_audit.models.units import how_words_are_found
from attn_audit.plugins import source_file
from attn_audit.results.model_description import Findings

N_CHANGED = 12
"""Units of each text of the trial that are replaced, to see whose column is whose."""


class CustomInterceptedModel(InterceptedModel):
    """An intercepted model, with every call that leads into the user's code under guard."""

    classifier: CustomClassifier
    _is_tried = False

    def __init__(
        self,
        classifier: CustomClassifier,
        trial: Sequence[Example],
        removal: RemovalName | None = None,
        within: nn.Module | None = None,
        *,
        is_blind: bool = False,
    ) -> None:
        """One text is tried at a time: what is found is what texts in a batch are held against.

        Raises:
            AuditFailedError: The user's code fails.
            UnsupportedModelError: What is seen cannot be audited as attention over the input.
        """
        with failures_named(lambda: [example.id for example in trial]):
            whole, beginnings = _texts(classifier, trial)
            _require_repeatable(classifier, whole[0])
            changed = classifier.changed(whole, N_CHANGED)
            shorter = [*whole, *beginnings][-1]
            geometry = Geometry(changed, shorter, classifier.custom.columns)
            super().__init__(
                classifier, trial, removal, within, geometry=geometry, is_blind=is_blind
            )
            long, *short = _extremes(classifier, whole)
            self._require_places_of_long(long)
            has_gradient = self.no_gradient_because is None
            self._units_are_independent = False  # what passes give is tried, and no short cut
            self.sharing, self.not_shared_because = try_sharing(
                self, whole, [*beginnings, *short, long], has_gradient
            )
            del self._units_are_independent
        self.batches_texts = self.sharing is Sharing.TEXTS
        self._is_tried = True

    @cached_property
    def no_gradient_because(self) -> str | None:
        """As the trial shows."""
        try:
            batch = self._trial
            self.forward(batch, self.embed(batch), hold_attention=True)
        except (ConfigurationError, UnsupportedModelError) as error:
            return error.message
        return None

    def _require_places_of_long(self, text: EncodedText) -> None:
        """Refuse what orders the columns of a long text otherwise; shorter ones do not show it."""
        try:
            with failures_named():
                (changed,) = self.classifier.changed([text], N_CHANGED)
                self.read(self.collate([text]), [self.default_site])
        except AttnAuditError:  # not taken, or laid out otherwise, which its reading notices
            return
        places = {point.number: point.order for point in self._survey.points}
        try:
            require_places(self.classifier, changed, places, self._survey.sight)
        except UnsupportedModelError as error:
            raise UnsupportedModelError(
                f"in a text of {text.n_tokens} tokens, longer than those of the trial, "
                f"{error.message}",
                hint="Cut texts to a length at which it does not, with --max-length.",
            ) from error

    @cached_property
    def _findings(self) -> Findings:
        told = {"no_gradient_because": self.no_gradient_because}
        return super()._findings.model_copy(update=told)

    def encode(self, examples: Sequence[Example]) -> list[EncodedExample]:
        """Split texts into the user's tokens."""
        with failures_named(lambda: self._failing(examples)):
            return super().encode(examples)

    @torch.no_grad()
    def read(self, batch: Batch, sites: Sequence[Site]) -> list[Reading]:
        """One pass for all sites, whose replays are held to the pass itself."""
        readings = super().read(batch, sites)
        if not self._is_tried:
            return readings
        return [
            replace(one, replay=partial(self._held_replay, one, batch.encoded)) for one in readings
        ]

    def _held_replay(
        self,
        reading: Reading,
        encoded: Sequence[EncodedExample],
        attention: VariantAttention,
        mass: Mass | None = None,
    ) -> VariantLogits:
        if attention.requires_grad:
            return reading.replay(attention, mass)
        own = reading.attention.to(attention).unsqueeze(1)
        if mass is not None:
            of_variants = mass if mass.dim() == 3 else mass.unsqueeze(1)
            of_variants = of_variants.expand(attention.shape[:3])
            mass = torch.cat([of_variants, reading.mass.to(mass).unsqueeze(1)], dim=1)
        logits = reading.replay(torch.cat([attention, own], dim=1), mass)
        self._require_own(reading, logits[:, -1], encoded)
        return logits[:, :-1]

    def _require_own(
        self, reading: Reading, logits: Logits, encoded: Sequence[EncodedExample]
    ) -> None:
        """Refuse replays in which a text's own attention does not give its own output.

        What holds of the trial's batches need not hold of all: this is asked of every one.
        """
        limit = rounding(self)
        gap = (logits - reading.logits).abs().nan_to_num(0)
        size = reading.logits.abs().nan_to_num(0, posinf=0).clamp_min(1)
        wrong = (gap > limit * size).any(dim=1).nonzero().flatten().tolist()
        if wrong:
            kind = type(self.module).__name__
            ids = listed_ids([encoded[i].example.id for i in wrong])
            raise AuditFailedError(
                f"attention that {kind} is given for a text reaches another: its own attention "
                f"does not give its own output at {ids}",
                hint="Audit one text at a time, with --batch-size 1."
                if self.batches_texts and len(encoded) > 1
                else "The module does not do the same with a text and with its repetitions.",
            )

    def _guard(self, encoded: Sequence[EncodedExample]) -> AbstractContextManager[None]:
        return failures_named(lambda: self._failing([item.example for item in encoded]))

    def _failing(self, examples: Sequence[Example]) -> list[str]:
        """The examples that fail each by itself; all where none does."""
        alone = [example.id for example in examples if self._fails(example)]
        return alone or [example.id for example in examples]

    @torch.no_grad()
    def _fails(self, example: Example) -> bool:
        try:
            self.classifier.logits(self.classifier.collate(self.classifier.encode([example])))
        except Exception:
            return True
        return False


@torch.no_grad()
def _require_repeatable(classifier: CustomClassifier, text: EncodedExample) -> None:
    """Of a module that is random, or that remembers, nothing can be found out by trial."""
    first, again = (classifier.logits(classifier.collate([text])) for _ in range(2))
    gap = float((first - again).abs().max())
    if not gap <= TOLERANCES[torch.float32] * max(1.0, float(first.abs().max())):
        raise SelfCheckError(
            [f"two passes over one text agree (found {gap:.3g})"],
            [
                "Its output is random, or depends on what it was called with before: look for "
                "dropout, noise, statistics or memory that evaluation mode does not turn off."
            ],
        )


def _texts(
    classifier: CustomClassifier, trial: Sequence[Example]
) -> tuple[list[EncodedText], list[EncodedText]]:
    """The trial's texts, and their beginnings: many of one length, and not all."""
    encoded = classifier.encode_unlabelled(trial)
    whole = [item for item in encoded if isinstance(item, EncodedText)]
    shortest = min(item.n_units for item in whole)
    cut = [
        first_units(item, n)
        for n, some in ((shortest, whole), (max(1, shortest - 1), whole[:2]))
        for item in some
        if n < item.n_units
    ]
    return whole, classifier.located(cut)


def _extremes(classifier: CustomClassifier, texts: Sequence[EncodedText]) -> Sequence[EncodedText]:
    """Texts of lengths that those of the trial do not have: a long one, and of one and two units.

    On a device that does not outlive an index beyond a table's end nothing longer is tried.
    """
    longest = max(texts, key=lambda text: text.n_units)
    long = joined(texts, classifier.max_length) if classifier.device.type == "cpu" else longest
    short = [first_units(longest, n) for n in (1, 2) if n < longest.n_units]
    return classifier.located([long, *short])


def load_custom_model(
    adapter: str,
    checkpoint: str,
    trial: Sequence[Example],
    device: torch.device,
    options: ModelOptions,
) -> CustomInterceptedModel:
    """Call a user's function, and find out by trial how its module computes attention.

    Raises:
        AuditFailedError: The module or `encode` fails.
        ConfigurationError: The function cannot be called, or does not give what is asked of it.
        IncompatibleDataError: A text of the trial does not fit the model.
        InvalidWeightsError: The weights hold NaN or infinity.
        UnsupportedModelError: What is seen cannot be audited as attention over the input.
    """
    custom = load_adapter(adapter, checkpoint)
    details: dict[str, str | int | float | bool | None] = {"adapter": adapter}
    path = Path(checkpoint)
    if options.unit == "word":
        details["without blanks"] = how_words_are_found()
    source = source_file(adapter.rpartition(":")[0])
    if source is not None:
        details["adapter sha256"] = sha256_of(source)
    sha256 = fingerprint(path) if path.exists() else None
    provenance = Provenance(checkpoint, sha256, details)
    return build_custom_model(custom, trial, device, options, provenance)


def build_custom_model(
    custom: CustomModel,
    trial: Sequence[Example],
    device: torch.device,
    options: ModelOptions | None = None,
    provenance: Provenance = IN_MEMORY,
) -> CustomInterceptedModel:
    """Find out by trial how a user's module computes attention.

    Raises:
        AttnAuditError: As `load_custom_model`.
    """
    options, trial = options or ModelOptions(), or_probes(trial, as_pairs=custom.takes_pairs)
    if options.removal == "mask" and custom.mask is None:
        raise ConfigurationError(
            "--removal mask: the adapter names no attention mask",
            hint="Say in CustomModel which argument it is, mask=..., or say --removal delete.",
        )
    module = custom.module.to(device).eval()
    require_finite(provenance.source, module.named_parameters())
    splitter = Splitter(custom, options.unit, options.max_length)
    with failures_named(lambda: [example.id for example in trial]):
        classifier = CustomClassifier(custom, trial, splitter, provenance)
    within = None if custom.attention is None else module.get_submodule(custom.attention)
    is_blind = options.without_attention
    return CustomInterceptedModel(classifier, trial, options.removal, within, is_blind=is_blind)
