"""What a module of one's own does under moved mass and rules, its calls guarded as everywhere."""

import pytest
import torch
from torch import Tensor

from attn_audit.errors import AuditFailedError
from attn_audit.models.contract import NewWeights
from tests.models.custom.toys import EXAMPLES, Pooling, attend_plainly, custom_of, model_of
from tests.models.interception.matrix import assert_close, read


def test_mass_and_rules_move_the_pooled_states() -> None:
    module = Pooling(attend_plainly)
    model = model_of(custom_of(module))
    batch = model.collate(model.encode(EXAMPLES))
    site, reading = model.default_site, read(model, batch)
    assert_close(
        model.intervene(batch, {site: lambda own: NewWeights(own.attention)}), reading.logits
    )

    own, bias = reading.attention.unsqueeze(1), module.output.bias.detach()
    half = torch.full_like(reading.mass, 0.5)
    expected = bias + (reading.logits - bias) / 2
    assert_close(reading.replay(own, half)[:, 0], expected)
    assert_close(reading.replay(own, half.unsqueeze(1))[:, 0], expected)
    found = model.intervene(batch, {site: lambda seen: NewWeights(seen.attention, half)})
    assert_close(found, expected)


def test_a_module_that_fails_is_named() -> None:
    class Failing(Pooling):
        fails = False

        def forward(self, ids: Tensor) -> Tensor:
            if self.fails:
                raise RuntimeError("no more")
            return super().forward(ids)

    module = Failing(attend_plainly)
    model = model_of(custom_of(module))
    batch = model.collate(model.encode(EXAMPLES))
    module.fails = True
    with pytest.raises(AuditFailedError, match="no more"):
        model.intervene(batch, {model.default_site: lambda own: NewWeights(own.attention)})
    with pytest.raises(AuditFailedError, match="no more"):
        model.erase(batch, batch.unit_mask.unsqueeze(1), "neutral")
