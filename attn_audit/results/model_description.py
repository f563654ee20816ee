"""What is known of a model before its first example: its build, and what its layers can do."""

from pydantic import Field

from attn_audit.statistics.summary import Share, Value

LONG_TEXTS = "long texts"
"""Among the details: how texts are read that do not fit, where they are not cut."""


class LayerDescription(Value):
    """One attention over the tokens of the input."""

    name: str
    """The module that computes it, as the model names it."""
    n_heads: int
    visible_share: float = 1.0
    """Of a text's units, how many its audited rows may attend to: the median of the texts tried."""
    least_visible_share: float = 1.0
    """The same, of the text of which they see least: of long ones, where windows slide."""


class Findings(Value):
    """What was found out about a model's attention by trying it out on a few texts."""

    readout: str
    """Whose query row reaches the logits: `first token`, `last token`, `every token`, ..."""
    replay: str
    """How other attention is tried: `row`, `cache`, `resume` or `full`."""
    replay_error: float
    """Largest difference of a logit from a full pass, over the largest effect of the trial."""
    special_share: float
    """Share of the readout's attention that lies on no audited unit, 0 to 1."""
    masking_leaks: bool | None
    """Whether a masked token still moves the logits; None where the model takes no mask."""
    removal: str
    """How leave-one-out leaves a unit out: `mask` or `delete`."""
    sharing: str = "texts"
    """What is computed together: `texts`, texts of equal `lengths`, `variants` of one text, or
    `nothing`."""
    not_shared_because: str | None = None
    """What a batch of texts changes, where texts may not share one."""
    places_are_told: bool | None = None
    """Whether changing a unit was seen to move the weight in its own column; None where columns are
    those of a tokenizer of transformers, and where nothing was tried."""
    no_gradient_because: str | None = None
    """Why importance by gradient cannot be had, where that is so."""


class ModelDescription(Value):
    """Architecture, task and size of a model, as `inspect` and every report show them."""

    source: str
    """Where it was loaded from, as the user wrote it."""
    sha256: str | None
    """Of the checkpoint's content; None for objects in memory."""
    weights_sha256: str | None = None
    """Of a model in memory, in its place: of names, types and values of all its weights."""
    format: str
    """`attn-audit checkpoint`, `original folder`, `HuggingFace`, `adapter` or `function`."""
    architecture: str
    """One line: `BiLSTM encoder, additive attention, single texts`."""
    no_attention_because: str | None = None
    """Why no attention over the input is seen, as a clause; None where it is."""
    task: str
    labels: tuple[str, ...]
    sites: tuple[str, ...]
    """Where attention can be audited, in words."""
    layers: tuple[LayerDescription, ...]
    """Every attention that `--layer` may name, by index."""
    default_layer: int
    """What `--layer last` means: the last attention that reaches the logits."""
    n_parameters: int
    """0 where nobody knows."""
    dtype: str = Field(pattern="^(float64|float32|bfloat16|float16)$")
    linear_readout: bool
    """Whether the logits are linear in the attention weights."""
    takes_pairs: bool
    details: dict[str, str | int | float | bool]
    """Sizes and settings of the architecture by name."""
    training: dict[str, str | int | float | bool | None] = Field(default_factory=dict)
    """Settings and results of its training, where its checkpoint tells them; shown, never used."""
    findings: Findings | None = None
    """None for the paper's models, of which all is known."""

    @property
    def digest(self) -> str | None:
        """What tells it from others: of its files, or else of its weights."""
        return self.sha256 or self.weights_sha256

    def hashes(self, other: "ModelDescription") -> tuple[str | None, str | None]:
        """Its own and another's of one kind; a file's says nothing of weights in memory."""
        if self.weights_sha256 and other.weights_sha256:
            return self.weights_sha256, other.weights_sha256
        return self.sha256, other.sha256

    @property
    def no_mask_because(self) -> str:
        """Why no mask hides a token, where `findings` tell of none."""
        if self.format == "adapter":
            return (
                "the adapter names no mask (where its module takes one, name that argument: "
                "CustomModel(..., mask='...'))"
            )
        return "the model takes no attention mask"


class SiteLeverage(Value):
    """What cutting attention off at one site does."""

    layer: int | None
    """None: at all layers together, and in every row."""
    head: int | None = None
    """None: in all heads."""
    matters: Share
    """Texts in which it turns the decision, or moves the margin by half of itself or more."""
    margin: float
    """By which share of itself it moves the margin, median over the texts."""
    reach: Share | None = None
    """Texts, fewer than the others, in which attention on some single unit there does; None where
    that was not asked, or could not be measured."""


class AttentionShares(Value):
    """Where the attention of what is read out lies at one layer, heads averaged; they sum to 1."""

    first: float
    """On the first token, where models leave attention that is to do nothing: a sink."""
    prompt: float
    """On what else stands around the text."""
    text: float
    """On the audited text."""
    itself: float
    """On the token that is read out itself."""


class Leverage(Value):
    """The same layer by layer, on a random sample of the texts."""

    n_texts: int
    """In which the model decides, so that there is a margin."""
    layers: tuple[SiteLeverage, ...]
    """At the rows that are read out, each layer by itself."""
    together: SiteLeverage
    heads: tuple[SiteLeverage, ...] = ()
    """Of the layer with the most, where they were asked for."""
    shares: tuple[AttentionShares, ...] = ()
    """Layer by layer, the mean over the texts; of language models."""

    @property
    def best(self) -> SiteLeverage:
        """The layer that moves margins most, of equal ones the last."""
        return max(self.layers, key=lambda site: (site.margin, site.layer))

    @property
    def has_reach(self) -> bool:
        """Whether the reach of layers was measured."""
        return any(site.reach is not None for site in self.layers)

    @property
    def chosen(self) -> SiteLeverage:
        """The layer of most reach; of equal ones, as where there is none, as `best`."""

        def order(site: SiteLeverage) -> tuple[int, float, int | None]:
            return 0 if site.reach is None else site.reach.count, site.margin, site.layer

        return max(self.layers, key=order)


class HeadMix(Value):
    """What the attention of each head counts for in the measure `head_mix`."""

    n_texts: int
    """That it is fitted to; none of them is scored by it."""
    passes: int
    """That the fit took, once."""
    weights: tuple[tuple[float, ...], ...]
    """Of each layer, from the first to the one that is read out, that of each head."""
