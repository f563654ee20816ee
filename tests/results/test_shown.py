"""Whatever a record may hold, a report may show; but for the weights of single rows."""

from attn_audit.results.record import AUDITED, FIELDS
from attn_audit.results.shown import Shown


def test_knows_every_field_of_a_record() -> None:
    assert set(Shown.model_fields) == set(FIELDS) - {"adversarial_rows"}
    assert Shown.model_fields["status"].default == AUDITED
