"""What changed between two reports: plain validated data."""

import json

from attn_audit.results.json_text import json_text
from attn_audit.results.verdict import Verdict
from attn_audit.statistics.estimate import Interval
from attn_audit.summary import Value


class Side(Value):
    """One of the two reports."""

    report: str
    """Its file, as the user wrote it."""
    model: str
    model_sha256: str | None
    data: str
    n_examples: int


class ChangedExample(Value):
    """One example, in both reports."""

    id: str
    base: float
    new: float
    text: str | None
    """Its units, as the base report's records spell them; None where these hold none."""


class Change(Value):
    """A number in both reports."""

    metric: str
    definition: str
    base: float
    """Paired: over the examples that have the number in both."""
    new: float
    difference: float
    """New minus base."""
    interval: Interval | None
    """95 %, of the difference. Paired: bootstrap or normal over the differences of the examples.
    Else `newcombe`, from the intervals of both; None where these have none."""
    effect_size: float | None
    """Cohen's d_z: mean over standard deviation of the paired differences. None where unpaired, or
    where every example changed by the same."""
    n: int | None
    """Paired: examples that have the number in both. Else the fewer of both."""
    n_undefined: int | None
    """Examples that lack the number in one report or both; None where unpaired."""
    is_paired: bool
    most_changed: tuple[ChangedExample, ...] = ()
    """The largest differences first; empty where unpaired."""


class Comparison(Value):
    """Two reports, the new one held beside the base."""

    base: Side
    new: Side
    n_pairs: int | None
    """Examples matched by id; None: the summaries alone were compared."""
    why_unpaired: str | None
    notes: tuple[str, ...]
    """What else differs between the reports."""
    changes: tuple[Change, ...]
    verdict: Verdict | None = None
    """What a policy says of the changes; None without one."""

    def to_json(self) -> str:
        """The comparison as JSON text, the same bytes for the same reports."""
        content = self.model_dump(mode="json")
        if self.verdict is not None:
            content["verdict"] = json.loads(self.verdict.to_json())
        return json_text(content)
