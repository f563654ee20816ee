"""What every folder of tests may use."""

import gc
import os
from collections.abc import Callable, Generator, Iterator
from functools import cache
from pathlib import Path
from unittest.mock import patch

# Models here are tiny: a second thread costs more than it brings, in other processes too, and most
# where it waits for work without giving its core away.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import pytest
import torch
import typer.main
import typer.testing
from _pytest.doctest import DoctestModule
from hypothesis import settings

from tests.typechecking import check_types

check_types()

from attn_audit.findings import registry  # noqa: E402 - what is imported from here on is checked
from attn_audit.measures.registry import COMPUTATIONS  # noqa: E402
from tests.checkpoints import write_checkpoint, write_language_model  # noqa: E402

# All commands are built anew for each that is invoked: a tenth of the time of tests that do that.
vars(typer.testing)["_get_command"] = cache(typer.main.get_command)

torch.set_num_threads(1)

# Else every process that a test starts compiles the package anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# How long one case takes says more about the machine than about the code.
settings.register_profile("here", deadline=None, max_examples=30)
settings.register_profile("long", deadline=None, max_examples=1000)  # --hypothesis-profile=long
settings.load_profile("here")

REPOSITORY = Path(__file__).parents[1]


@pytest.hookimpl(wrapper=True)
def pytest_collect_file() -> Generator[None, list[pytest.Collector], list[pytest.Collector]]:
    """Examples stand in docstrings of the package alone: tests are not searched for them."""
    found = yield
    return [each for each in found if not isinstance(each, DoctestModule)]


def pytest_collection_finish() -> None:
    """Garbage is not looked for among what all the imports made, which stays."""
    gc.collect()
    gc.freeze()


Checkpoint = Callable[[str], Path]


@pytest.fixture(autouse=True)
def nothing_of_others_registered() -> Iterator[None]:
    """What a test registers - its data's `--shown` scores, too - is not there for the next one."""
    with registry.added(), patch.dict(COMPUTATIONS):
        yield


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What audits keep is kept for the tests alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of data sets and models beside the repository, or ATTN_AUDIT_SHARED."""
    folder = Path(os.environ.get("ATTN_AUDIT_SHARED", REPOSITORY.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"needs the shared data sets and models: no {folder} (ATTN_AUDIT_SHARED)")
    return folder


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """The folder of a tiny random checkpoint of a kind, made when it is first asked for."""
    folder = tmp_path_factory.mktemp("checkpoints")
    return cache(lambda kind: write_checkpoint(kind, folder / kind))


@pytest.fixture(scope="session")
def language_model(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """The same of a tiny random causal language model."""
    folder = tmp_path_factory.mktemp("language-models")
    return cache(lambda kind: write_language_model(kind, folder / kind))
