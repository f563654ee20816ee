"""Whether masks hide a token is told by the texts that are long enough to tell."""

import pytest

from attn_audit.models.interception.model import InterceptedModel
from tests.models.interception.zoo import IdsClassifier, build, examples


def removal_of(name: str, lengths: tuple[int, ...]) -> str:
    return InterceptedModel(IdsClassifier(build(name), name), examples(lengths)).removal


@pytest.mark.parametrize("lengths", [(9,), (1, 9, 2), (12, 9, 7, 11)])
def test_one_text_of_several_units_is_enough(lengths: tuple[int, ...]) -> None:
    assert removal_of("bert", lengths) == "mask"
    assert removal_of("convbert", lengths) == "delete"


@pytest.mark.parametrize("lengths", [(1,), (2, 1, 2)])
def test_masks_are_not_trusted_where_no_text_can_tell(lengths: tuple[int, ...]) -> None:
    assert removal_of("bert", lengths) == "delete"
