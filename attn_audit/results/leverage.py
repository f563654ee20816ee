"""Leverage by layer: what becomes of decisions where nothing of a text is attended to there."""

from attn_audit.statistics.summary import Share, Value


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
    that was not asked."""


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

    def at(self, layer: int) -> SiteLeverage:
        """That of a layer."""
        return self.layers[layer]
