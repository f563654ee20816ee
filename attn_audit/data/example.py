"""One labelled or unlabelled text of a data set."""

from dataclasses import dataclass, field

from attn_audit.data.labelling import Labelling


@dataclass(frozen=True, slots=True)
class Example:
    """A text to audit, as the data set gave it."""

    id: str
    """Unique within the data set; a hash of content and occurrence where the data has none."""

    text: str
    """What attention is read over; never blank."""

    text_pair: str | None = None
    """The second text of a pair (question, hypothesis), or None for single texts."""

    labels: tuple[str, ...] | None = None
    """Gold labels: one, or for multilabel tasks any number; None when unknown."""

    candidates: tuple[str, ...] | None = None
    """The answers that may be given, where the data restricts them."""

    where: str = ""
    """File and line (`test.jsonl:17`) for messages."""

    on: tuple[int, ...] | None = None
    """Which places of a list of labels are 1, where the data set's lists may be multi-hot; whether
    they are depends on how many labels the model has."""

    labelling: Labelling = field(default=Labelling(), compare=False, repr=False)
    """What the whole data set says of its labels."""
