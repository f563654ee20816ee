"""Any PyTorch classifier behind the contract of a model."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import cache, cached_property, partial
from typing import Literal

import torch
from torch import Tensor, nn

from attn_audit.data.example import Example
from attn_audit.distances import KeptUnits, Logits, VariantAttention, VariantLogits
from attn_audit.errors import ConfigurationError, UnsupportedModelError
from attn_audit.models.contract import (
    AttentionLayer,
    AuditedModel,
    Batch,
    Embeddings,
    EncodedExample,
    LinearReadout,
    Mass,
    Reading,
    ReadoutStates,
    RowChoice,
    Rules,
    Site,
    WholeAttention,
    unit_mask_of,
    without_rows,
)
from attn_audit.models.interception.classifier import (
    NOT_AUDITED,
    Classifier,
    EncodedSequence,
    InterceptedBatch,
    ModelInputs,
    removed_positions,
    require_eager,
)
from attn_audit.models.interception.embedding import (
    EmbeddingLookUp,
    MaskTrial,
    find_look_up,
    try_masks,
)
from attn_audit.models.interception.erased_logits import (
    HALVES,
    Prefixes,
    Sharing,
    are_independent,
    confirmed,
    erased_logits,
    halves_of,
    pooled_again,
)
from attn_audit.models.interception.key_order import Geometry
from attn_audit.models.interception.reading import (
    Pass,
    PlaceKey,
    Rows,
    intervened,
    readout_states,
    run_pass,
    whole_attention,
    why_no_states,
    why_not_whole,
)
from attn_audit.models.interception.readout import (
    ONE_ROW,
    ReadoutRule,
    differentiable_recurrence,
    is_linear,
    read_out_units,
)
from attn_audit.models.interception.removal import (
    Deletion,
    Masking,
    Neutral,
    Run,
    UnitRemoval,
)
from attn_audit.models.interception.replay import CHEAPEST_FIRST, NamedWays, WayChoice, choose_way
from attn_audit.models.interception.short_passes import ReadoutPass, Start
from attn_audit.models.interception.survey import survey
from attn_audit.models.task import mask_candidates
from attn_audit.numbers import counted
from attn_audit.process import is_out_of_memory
from attn_audit.quoting import one_line
from attn_audit.results.model_description import Findings, LayerDescription, ModelDescription

RemovalName = Literal["mask", "delete"]
"""Those that leave-one-out may be told to use."""


class InterceptedModel(AuditedModel):
    """A classifier whose attention is read, replaced and differentiated by interception."""

    def __init__(
        self,
        classifier: Classifier,
        trial: Sequence[Example],
        removal: RemovalName | None = None,
        within: nn.Module | None = None,
        ways: NamedWays = CHEAPEST_FIRST,
        geometry: Geometry | None = None,
        *,
        is_blind: bool = False,
    ) -> None:
        """Find out by trial how the model computes its attention and what it does with it.

        Where it calls nothing that attention is computed by, there are no layers.

        Args:
            removal: How leave-one-out leaves a unit out; None: by mask where that is exact.
            within: The submodule to look for attention in; None: anywhere.
            ways: Of replay, to be tried; full passes come last of themselves.
            geometry: What its geometry is tried out with, on one text at a time; None: it is laid
                out as shapes suggest.
            is_blind: Look for no attention at all.

        Raises:
            UnsupportedModelError: What is seen cannot be audited as attention over the input.
        """
        require_eager(classifier.module)
        self.classifier = classifier
        self.module = classifier.module.eval().requires_grad_(False)
        self.task = classifier.task
        self.device = classifier.device
        self.unit = classifier.unit
        encoded = classifier.encode_unlabelled(trial)
        self._survey = survey(classifier, encoded, within, geometry, is_blind=is_blind)
        if (nothing := self._survey.nothing_seen) is not None:
            self.no_attention_because, self.no_attention_hint = nothing.message, nothing.hint
        self.layers = tuple(
            AttentionLayer(point.name, point.n_heads) for point in self._survey.points
        )
        self.default_site = Site(layer=self._survey.default)
        self._candidates = ways
        self._ways: dict[PlaceKey, WayChoice] = {}
        self._linear: dict[Site, bool] = {}
        self._tried: tuple[PlaceKey, Pass] | None = None
        self._prefixes = Prefixes()
        self.removal: RemovalName = "delete"
        self.sharing = Sharing.TEXTS
        self.not_shared_because: str | None = None
        self._masks: MaskTrial | None = None
        self._trial = self.collate(self._survey.texts)
        self._masks = self._try_masks()
        # Masks leave shapes and positions as they are; where they leak, they leave nothing out.
        if removal != "delete" and self.removals["mask"].why_not is None:
            self.removal = "mask"

    # --- what was found -------------------------------------------------------------------------

    def _try_masks(self) -> MaskTrial | None:
        if not self.classifier.can_mask:
            return None
        logits = self._try(self.default_site).logits
        try:
            return try_masks(self._look_up, self._trial, logits)
        except (ConfigurationError, UnsupportedModelError):  # no token can be changed behind a mask
            return MaskTrial(middle=True, first=True, last=True)

    @cached_property
    def removals(self) -> Mapping[str, UnitRemoval]:
        """The ways to leave units out; what they need to know is tried when it is asked for."""
        points = self._survey.points
        start = partial(Start.of, self.classifier, points[0]) if points else None
        return {
            "mask": Masking(self.classifier, self._masks, self._run, start),
            "delete": Deletion(self.classifier, self._run),
            "neutral": Neutral(self.classifier, lambda: self._look_up, self._run),
        }

    def _run(self, inputs: ModelInputs) -> Logits:
        """Logits as the whole module gives them, by the cheapest pass that is proved to."""
        return self._cheapest_run(inputs)

    @cached_property
    def _cheapest_run(self) -> Run:
        trial = self._trial
        halves = halves_of(trial.unit_mask)[:, 0]
        tried = [trial.inputs, self.classifier.delete(trial.encoded, halves)]
        if self.removal == "mask":
            tried.append(
                self.classifier.mask(trial.inputs, removed_positions(trial.inputs.units, ~halves))
            )
        short = ReadoutPass(self._survey).proved(tried)
        return self.classifier.logits if short is None else short.logits

    @cached_property
    def _look_up(self) -> EmbeddingLookUp:
        return find_look_up(self.classifier, self._trial.inputs)

    @property
    def dtype(self) -> torch.dtype:
        """The coarsest numbers that were seen in a pass: autocast is coarser than the weights."""
        return self._survey.dtype

    @property
    def logit_limits(self) -> tuple[float, float] | None:
        """As the classifier says."""
        return self.classifier.logit_limits

    def describe(self) -> ModelDescription:
        """What is known of the model, and what the trial found."""
        description = self.classifier.describe()
        layers = counted(len(self.layers), "layer")
        return description.model_copy(
            update={
                "sites": (f"attention of {layers} over the text's tokens",) if self.layers else (),
                "no_attention_because": self.no_attention_because,
                "details": {**description.details, **self._found_without_attention},
                "layers": self._described_layers,
                "dtype": str(self.dtype).removeprefix("torch."),
                "default_layer": self.default_site.layer,
                "linear_readout": self._is_linear(self.default_site),
                "findings": self._findings if self.layers else None,
            }
        )

    @property
    def _found_without_attention(self) -> dict[str, str]:
        if self.layers:
            return {}
        shared = self.not_shared_because
        batches = {} if shared is None else {"batches": f"of {self.sharing.value}, since {shared}"}
        ways = (way.words for way in (self.removals[self.removal], self.removals["neutral"]))
        return {"removal": self.removal, "left out": " or ".join(ways), **batches}

    @cached_property
    def _described_layers(self) -> tuple[LayerDescription, ...]:
        n_units = self._trial.unit_mask.sum(dim=1)
        readings = self.read(self._trial, [Site(number) for number in range(len(self.layers))])
        described = []
        for layer, reading in zip(self.layers, readings, strict=True):
            seen = (reading.admissible & reading.row_mask.unsqueeze(-1)).any(dim=1)
            shares = seen.sum(dim=1).double() / n_units
            described.append(
                LayerDescription(
                    name=layer.name,
                    n_heads=layer.n_heads,
                    visible_share=float(shares.quantile(0.5)),
                    least_visible_share=float(shares.min()),
                )
            )
        return tuple(described)

    @cached_property
    def _findings(self) -> Findings:
        way, reading = self._way(self.default_site), self._read_trial(self.default_site)
        rows = reading.row_mask
        return Findings(
            readout=self._survey.rule.value,
            replay=way.name,
            replay_error=way.error,
            special_share=float(reading.rest[rows].double().mean()),
            masking_leaks=None if self._masks is None else self._masks.leaks,
            removal=self.removal,
            sharing=self.sharing.value,
            not_shared_because=self.not_shared_because,
            places_are_told=self._survey.places_are_told,
        )

    def _try(self, site: Site) -> Pass:
        """A pass over the trial's texts; the last one is kept, for all that is asked of a layer."""
        key = (site.layer, site.rows)
        if self._tried is None or self._tried[0] != key:
            keys = [key] if self.layers else []
            found = run_pass(self._survey, self._trial.inputs, keys)
            self._tried = key, found
        return self._tried[1]

    def _read_trial(self, site: Site) -> Reading:
        return self._reading(self._trial, self._try(site), site)

    def _way(self, site: Site) -> WayChoice:
        """How other attention is tried at a layer, by a trial when it is first asked for."""
        key = (site.layer, site.rows)
        if key not in self._ways:
            found = self._try(site)
            self._ways[key] = choose_way(
                found.traces[key], found.logits.unsqueeze(1), self._candidates
            )
        return self._ways[key]

    def _is_linear(self, site: Site) -> bool:
        if self.task.is_vocabulary:  # of each label's logit there would be one for every unit
            return False
        if site not in self._linear:
            reading = self._read_trial(site)
            self._linear[site] = reading.attention.shape[1] == 1 and is_linear(
                reading.replay, self._trial.unit_mask
            )
        return self._linear[site]

    def n_rows(self, site: Site, n_tokens: int) -> int:
        """One a head where the readout is of one token, else one a head and token."""
        is_one = site.rows is RowChoice.READOUT and self._survey.rule in ONE_ROW
        return super().n_rows(site, 1 if is_one else n_tokens)

    def has_rows_of_tokens(self, layer: int) -> bool:
        """Whether each token has a row of its own there."""
        point = self._survey.points[layer]
        return point.rows_are_positions or point.rows_are_keys

    # --- examples in ----------------------------------------------------------------------------

    def encode(self, examples: Sequence[Example]) -> list[EncodedExample]:
        """Turn examples into token sequences; where masks are used, with the unit read out."""
        encoded = self.classifier.encode(examples)
        if self.removal == "delete":
            return encoded
        units = (self._readout_unit(item) for item in encoded)
        return [
            item if unit == NOT_AUDITED else replace(item, readout_unit=unit)
            for item, unit in zip(encoded, units, strict=True)
        ]

    def _readout_unit(self, item: EncodedExample) -> int:
        """The unit that holds the token which is read out, and comes through masks."""
        assert isinstance(item, EncodedSequence)
        if self._masks is None:
            return NOT_AUDITED
        match self._survey.rule:
            case ReadoutRule.FIRST:
                return item.unit_of_position[0]
            case ReadoutRule.LAST:
                return item.unit_of_position[-1]
            case _ if self._masks.first:
                return 0
            case _ if self._masks.last:
                return item.n_units - 1
            case _:
                return NOT_AUDITED

    def collate(self, encoded: Sequence[EncodedExample]) -> InterceptedBatch:
        """Pad examples into one batch."""
        assert len(encoded) == 1 or self.batches_texts
        with self._guard(encoded):
            inputs = self.classifier.collate(encoded)
        return InterceptedBatch(
            encoded=tuple(encoded),
            unit_mask=unit_mask_of(encoded, self.device),
            inputs=inputs,
            readout_units=torch.tensor(list(map(self._readout_unit, encoded)), device=self.device),
        )

    def _guard(self, encoded: Sequence[EncodedExample]) -> AbstractContextManager[None]:
        """Around everything that runs the module on these texts."""
        return nullcontext()

    # --- the contract ---------------------------------------------------------------------------

    @torch.no_grad()
    def read(self, batch: Batch, sites: Sequence[Site]) -> list[Reading]:
        """One pass for all sites; attention that no site asks for runs on the model's kernel."""
        assert isinstance(batch, InterceptedBatch)
        keys = list(dict.fromkeys((site.layer, site.rows) for site in sites if self.layers))
        with self._guard(batch.encoded):
            found = run_pass(self._survey, batch.inputs, keys)
        return [self._reading(batch, found, site) for site in sites]

    def _reading(self, batch: InterceptedBatch, found: Pass, site: Site) -> Reading:
        if not self.layers:
            return without_rows(batch, mask_candidates(found.logits, batch.allowed))
        key = (site.layer, site.rows)
        trace = found.traces[key]
        rows = Rows.of(trace, site.head, batch.unit_mask.shape[1])
        own = rows.of_units
        one_by_one = self.sharing is Sharing.NOTHING
        prepare_once = cache(lambda: self._way(site).way(trace, self.capacity.n_tokens, one_by_one))

        def replay(attention: VariantAttention, mass: Mass | None = None) -> VariantLogits:
            with self._guard(batch.encoded), differentiable_recurrence(self.classifier):
                logits = prepare_once()(rows.of_all_heads(attention, mass))
            return mask_candidates(logits, batch.allowed)

        def find_linear_readout() -> LinearReadout | None:
            with self._guard(batch.encoded):
                if not self._is_linear(site):
                    return None
            return read_out_units(replay, own.attention[:, 0], own.mass[:, 0])

        return Reading(
            **vars(own),
            logits=mask_candidates(found.logits, batch.allowed),
            replay=replay,
            find_linear_readout=find_linear_readout,
        )

    @cached_property
    def no_gradient_because(self) -> str | None:
        """No one table is asked for the tokens as they are given; or a kernel has no way back."""
        try:
            leaf = self.embed(self._trial).detach().requires_grad_()
            if not self.layers:  # kernels that cannot be looked into may not be differentiable
                with torch.enable_grad():
                    logits = self.forward(self._trial, leaf, hold_attention=False)
                    torch.autograd.grad(logits.sum(), leaf)
        except UnsupportedModelError as error:
            return error.message
        except (NotImplementedError, RuntimeError) as error:
            if self.layers or is_out_of_memory(error):
                raise
            return f"it cannot be differentiated: {one_line(error)}"
        return None

    def baseline(self, batch: Batch) -> Embeddings:
        """The padding token's embedding, where the classifier knows one."""
        embeddings, token = self.embed(batch), self.classifier.padding_token
        if token is None:
            return torch.zeros_like(embeddings)
        return self._look_up.table.detach()[token].expand_as(embeddings)

    @cached_property
    def not_whole_because(self) -> str | None:
        """As the trial shows."""
        if not self.layers:
            return self.no_attention_because
        with self._guard(self._trial.encoded):
            return why_not_whole(self._survey, self._trial)

    def read_whole(self, batch: Batch, *, differentiable: bool = False) -> WholeAttention:
        """Every layer's weights, computed in the open."""
        assert isinstance(batch, InterceptedBatch)
        with self._guard(batch.encoded):
            return whole_attention(self._survey, batch, differentiable=differentiable)

    @cached_property
    def no_states_because(self) -> str | None:
        """As the trial shows."""
        if (why := self.no_attention_because or self.no_gradient_because) is not None:
            return why
        inputs = self._trial.inputs
        with self._guard(self._trial.encoded):
            return why_no_states(self._survey, inputs, self._look_up)

    def states(self, batch: Batch) -> ReadoutStates:
        """Of the last layer, whose own part of the model is run again."""
        assert isinstance(batch, InterceptedBatch)
        with self._guard(batch.encoded):
            return readout_states(self._survey, batch.inputs)

    def embed(self, batch: Batch) -> Embeddings:
        """The embeddings of all positions; those of no unit are not used."""
        assert isinstance(batch, InterceptedBatch)
        return self._look_up.embed(batch.inputs)

    def forward(
        self, batch: Batch, embeddings: Embeddings, hold_attention: bool, rules: Rules | None = None
    ) -> Logits:
        """Logits with the embeddings of the audited positions replaced at every look-up."""
        assert isinstance(batch, InterceptedBatch)
        others: dict[int, Tensor] = {}
        if rules:
            with self._guard(batch.encoded):
                n_units = batch.unit_mask.shape[1]
                _, others = intervened(self._survey, batch.inputs, n_units, rules)
        with self._guard(batch.encoded), differentiable_recurrence(self.classifier):
            logits = self._look_up.logits(
                batch.inputs,
                embeddings,
                where=batch.inputs.units != NOT_AUDITED,
                held=self._survey.numbers if hold_attention else (),
                sight=self._survey.sight,
                others=others,
            )
        return mask_candidates(logits, batch.allowed)

    def erase(self, batch: Batch, keep: KeptUnits, operator: str | None = None) -> VariantLogits:
        """Leave units out; None: as `removal` says.

        Where units are encoded independently, one pass over the whole texts gives all the others.
        Which word it was that a trial did not have, and another path to the output, is seen by two
        passes of half a text: what these do not confirm is run.
        """
        assert isinstance(batch, InterceptedBatch)
        operator, n_passes = self._known(operator), keep.shape[1]
        if operator != "delete" or n_passes <= len(HALVES) or not self._units_are_independent:
            return self._erased(batch, keep, operator)
        (reading,) = self.read(batch, [self.default_site])
        logits, is_given = pooled_again(reading, keep & batch.unit_mask.unsqueeze(1))
        halves = halves_of(batch.unit_mask)
        is_given &= confirmed(reading, halves, self._erased(batch, halves, operator)).unsqueeze(1)
        if bool(is_given.all()):
            return logits
        run = self._erased(batch, keep | is_given.unsqueeze(-1), operator)
        return torch.where(is_given.unsqueeze(-1), logits, run)

    def intervene(self, batch: Batch, rules: Rules) -> Logits:
        """One pass, in which each site's weights are replaced as they are computed."""
        assert isinstance(batch, InterceptedBatch)
        n_units = batch.unit_mask.shape[1]
        with self._guard(batch.encoded):
            logits, _ = intervened(self._survey, batch.inputs, n_units, rules)
        return mask_candidates(logits, batch.allowed)

    def _known(self, operator: str | None) -> str:
        if operator is None:
            return self.removal
        why_not: str | None = f"there are {', '.join(self.removals)}"
        if operator in self.removals:
            why_not = self.removals[operator].why_not
        if why_not is not None:
            raise ConfigurationError(f"units cannot be left out by {operator}: {why_not}")
        return operator

    def _erased(self, batch: InterceptedBatch, keep: Tensor, operator: str) -> Tensor:
        removal, n_tokens = self.removals[operator], self.capacity.n_tokens
        if self.device.type == "cpu":
            n_tokens = self.capacity.tokens_in_cache(self.module)
        with self._guard(batch.encoded):
            prefixes = self._prefixes if self.sharing is Sharing.TEXTS else None
            logits = erased_logits(removal, batch, keep, self.sharing, n_tokens, prefixes)
        return mask_candidates(logits, batch.allowed)

    @cached_property
    def _units_are_independent(self) -> bool:
        """Whether a unit's score and logits are what they are without the others, by a trial."""
        if not self._is_linear(self.default_site):
            return False
        return are_independent(
            self.classifier, self._trial, lambda batch: self.read(batch, [self.default_site])[0]
        )
