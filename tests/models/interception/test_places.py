"""In every architecture a token's own key is the one whose score it moves most.

Of these models the columns are believed, since a tokenizer says where tokens stand: this holds them
to what is tried out for a user's own module.
"""

from dataclasses import replace

from attn_audit.models.contract import EncodedExample
from attn_audit.models.interception.key_order import Geometry, KeyOrder, TextChanges, find_places
from tests.models.interception.matrix import audited, over_architectures
from tests.models.interception.zoo import examples


def changed(text: EncodedExample, others: str) -> TextChanges:
    """Every token in turn replaced by one of another text."""
    tokens = text.example.text.split()
    found = {}
    for unit, other in enumerate(others.split()[: len(tokens)]):
        if other != tokens[unit]:
            words = [*tokens[:unit], other, *tokens[unit + 1 :]]
            found[unit] = replace(text, example=replace(text.example, text=" ".join(words)))
    return TextChanges(text, found)


@over_architectures
def test_changing_a_token_moves_its_own_key_most(name: str) -> None:
    model = audited(name)
    texts = model.encode(examples((9, 8), seed=4))
    others = examples((9, 9), seed=5)
    geometry = Geometry(
        tuple(changed(t, other.text) for t, other in zip(texts, others, strict=True)), texts[1]
    )
    first = model._survey.points[0]
    orders = [first.order, KeyOrder(first.order.n_in_front, is_reversed=True)]
    found = find_places(model.classifier, geometry, {first.number: orders}, model._survey.sight)
    assert found[first.number].order == first.order
    assert found[first.number].is_told == (name != "mobilebert")  # which embeds tokens by threes
