"""Other weights at several sites of one pass, each rule behind what the sites before it did."""

from collections.abc import Mapping

import torch
from torch import Tensor

from attn_audit.distances import Attention, Logits
from attn_audit.models.contract import NewWeights, RowWeights, Rule, Site
from attn_audit.models.interception.attention_point import placed
from attn_audit.models.interception.classifier import Classifier, ModelInputs
from attn_audit.models.interception.reading import Lookout, Rows
from attn_audit.models.interception.survey import Survey


@torch.no_grad()
def intervened_logits(
    classifier: Classifier,
    found: Survey,
    inputs: ModelInputs,
    n_units: int,
    rules: Mapping[Site, Rule],
) -> Logits:
    """Run the model once, with the weights of some sites replaced as they are computed.

    Args:
        found: What is known of its attentions.

    Raises:
        UnsupportedModelError: In this batch the attention is not what it was in the trial.
    """
    places = list(dict.fromkeys((site.layer, site.rows) for site in rules))
    lookout = Lookout(classifier, found, inputs, places)

    def visit(number: int, own: Tensor, scores: Tensor | None) -> Tensor:
        weights = own.clone()
        for site, rule in rules.items():
            point = found.points[site.layer]
            if point.number != number:
                continue
            seen = lookout.see((site.layer, site.rows), own, scores)
            reached = seen.reached(classifier, point, inputs)
            rows = Rows.of(reached, seen.admissible, site.head, n_units)
            attention, mass = _replaced(rule, rows.as_units())
            new = rows.of_all_heads(attention.unsqueeze(1), mass)[:, 0]
            head = slice(None) if site.head is None else slice(site.head, site.head + 1)
            weights[:, head] = placed(weights[:, head], seen.rows, seen.row_mask, new[:, head])
        return weights

    return lookout.run(visit)


def _replaced(rule: Rule, own: RowWeights) -> NewWeights:
    """What the rule says, of what the row may attend to alone."""
    attention, mass = rule(own)
    return NewWeights(_shares(attention * own.admissible), mass)


def _shares(weights: Attention) -> Attention:
    total = weights.sum(dim=-1, keepdim=True)
    return weights / torch.where(total > 0, total, 1)
