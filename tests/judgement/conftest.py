"""A report with realistic numbers, and policies by their text."""

from pathlib import Path

import pytest

from tests.formats.conftest import multilabel, report, unlabelled
from tests.judged import PolicyOf, policy_from
from tests.releases import audited, base, new

__all__ = ["audited", "base", "multilabel", "new", "report", "unlabelled"]


@pytest.fixture
def policy(tmp_path: Path) -> PolicyOf:
    """A policy from TOML text."""
    return lambda text: policy_from(tmp_path, text)
