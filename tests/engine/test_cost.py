"""What several sites cost is said before they are audited."""

from typing import Any

from attn_audit.checks.permutation import Permutation
from attn_audit.engine.audit import run_audit
from attn_audit.engine.batch import Plan
from attn_audit.engine.cost import cost_ahead
from attn_audit.models.contract import Site
from attn_audit.progress import Watcher
from attn_audit.settings import AuditSettings
from tests.rows import RowsModel, texts

MODEL = RowsModel()
SITES = (Site(1), *(Site(layer, head) for layer in range(2) for head in range(3)))


def test_passes_are_those_of_a_text_of_median_length() -> None:
    plan, sample = Plan((Permutation(0.05, 20),), SITES, seed=0), MODEL.encode(texts(5, 9, 30))
    passes = 7 * (20 + 2) + 9  # reach at the audited site alone
    assert cost_ahead(plan, sample, 16, None) == f"7 sites: about {passes} passes a text"
    timed = cost_ahead(plan, sample, 16, 0.01)
    assert timed == f"7 sites: about {passes} passes a text, up to about 26 s for 16 texts"


def test_it_is_said_of_several_sites_before_any_is_audited() -> None:
    def told(**settings: Any) -> list[str]:
        notes: list[str] = []
        asked = AuditSettings(checks=("permutation",), permutations=5, **settings)
        watcher = Watcher(on_cost=notes.append)
        run_audit(asked, load=lambda *_: RowsModel(), items=texts(6, 3, 9), watcher=watcher)
        return notes

    assert told() == []
    (note,) = told(layer="all", head="all")
    assert note.startswith("7 sites: about 55 passes a text")
