import pytest

from attn_audit.data.labels import label_name


@pytest.mark.parametrize(("value", "name"), [("a b", "a b"), (0, "0"), (-1, "-1"), (2.0, "2")])
def test_names_labels(value: object, name: str) -> None:
    assert label_name(value) == name
