"""Python's garbage collector is left as it was found."""

import gc

import pytest

from attn_audit.collecting import no_collection


def test_nothing_is_collected_meanwhile() -> None:
    with no_collection():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_it_works_again_after_an_error() -> None:
    with pytest.raises(ValueError, match="damaged"), no_collection():
        raise ValueError("damaged")
    assert gc.isenabled()


def test_it_stays_off_where_it_was_off() -> None:
    gc.disable()
    try:
        with no_collection():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_what_was_made_meanwhile_is_long_lived_and_nothing_is_left_frozen() -> None:
    with no_collection():
        made: list[list[int]] = [[] for _ in range(2000)]
    assert gc.get_freeze_count() == 0
    assert any(item is made for item in gc.get_objects(generation=2))


def test_what_the_caller_froze_stays_frozen() -> None:
    gc.freeze()
    try:
        n_frozen = gc.get_freeze_count()
        with no_collection():
            pass
        assert gc.get_freeze_count() == n_frozen
    finally:
        gc.unfreeze()
