"""A readout that does not give the model's own outputs is not believed."""

import dataclasses

from attn_audit.checks.adversarial.check import Adversarial, Method
from attn_audit.checks.base import AuditedBatch, read_batch
from attn_audit.models.contract import LinearReadout
from tests.tiny import tiny_examples, tiny_model


def with_readout(audited: AuditedBatch, readout: LinearReadout | None) -> AuditedBatch:
    reading = dataclasses.replace(audited.reading, find_linear_readout=lambda: readout)
    return dataclasses.replace(audited, reading=reading)


def test_a_false_readout_is_as_good_as_none() -> None:
    model = tiny_model()
    batch = model.collate(model.encode(tiny_examples(6, lengths=(2, 9))))
    audited = read_batch(model, batch, model.default_site, seed=0)
    true = audited.reading.linear_readout
    assert true is not None
    false = LinearReadout(offset=true.offset + 1, unit_logits=true.unit_logits)
    search = Adversarial(0.01, Method.GRADIENT, n_iterations=20, n_restarts=2)
    found = search.run(with_readout(audited, false))
    assert found["adversarial.upper_bound"] == [None] * 6
    assert (
        found["adversarial.max_jsd"]
        == search.run(with_readout(audited, None))["adversarial.max_jsd"]
    )
    assert search.run(audited)["adversarial.upper_bound"] != [None] * 6
