from pathlib import Path

import pytest

from attn_audit.errors import ConfigurationError
from attn_audit.files import read_toml, require_known


def test_says_where_a_file_is_no_toml(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text("a = 1\nb = \n")
    with pytest.raises(ConfigurationError, match=r"cannot read the policy .*a\.toml.*line 2"):
        read_toml(path, "--policy", "policy")


def test_counts_unknown_keys_and_names_the_nearest_of_the_first() -> None:
    with pytest.raises(ConfigurationError, match="here: unknown keys 'bund', 'x'") as caught:
        require_known(["bund", "x", "level"], ["bound", "level"], "here", "key")
    assert caught.value.hint == "Did you mean 'bound'?"
