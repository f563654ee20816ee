"""Python's garbage collector is left as it was found."""

import gc

import pytest

from attn_audit.models.huggingface.collecting import no_collection


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
