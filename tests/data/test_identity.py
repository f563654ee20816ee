import pytest

from attn_audit.data.identity import Identities, content_id
from attn_audit.data.rows import Row
from attn_audit.errors import RowError


def row(number: int) -> Row:
    return Row({}, [], "test.jsonl", number)


def test_counts_later_occurrences_of_the_same_content() -> None:
    identities = Identities()
    ids = [identities.derive("a", None, row(number)) for number in (1, 2, 3)]
    assert ids == [content_id("a", None), f"{ids[0]}-1", f"{ids[0]}-2"]


def test_content_is_text_and_pair() -> None:
    contents = {content_id("a", "b"), content_id("a", None), content_id("b", "a")}
    assert len(contents) == 3


def test_ids_do_not_depend_on_the_order_of_other_rows() -> None:
    forward, backward = Identities(), Identities()
    one = {forward.derive(text, None, row(number)) for number, text in enumerate("abc", 1)}
    two = {backward.derive(text, None, row(number)) for number, text in enumerate("cba", 1)}
    assert one == two


def test_a_given_id_may_not_be_a_derived_one() -> None:
    identities = Identities()
    derived = identities.derive("a", None, row(1))
    with pytest.raises(RowError, match=r"is also that of test.jsonl:1"):
        identities.claim(derived, row(2))
