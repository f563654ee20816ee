import pytest

from attn_audit.config import parse_label_map
from attn_audit.errors import ConfigurationError


def test_label_map_ignores_spaces_around_names() -> None:
    assert parse_label_map("0 = very bad, 1=good") == {"0": "very bad", "1": "good"}


@pytest.mark.parametrize("text", ["", "a", "a=", "=b", "a=b,", "a=b=c", "a=b,,c=d"])
def test_refuses_a_malformed_label_map(text: str) -> None:
    with pytest.raises(ConfigurationError, match="the label map has"):
        parse_label_map(text)


def test_refuses_a_label_mapped_twice() -> None:
    with pytest.raises(ConfigurationError, match="the label map names 'a' twice"):
        parse_label_map("a=b,a=c")
