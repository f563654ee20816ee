"""Every number that stands in capitals is found, and is known to decide something or nothing."""

import ast
import tomllib

from tests.mutation.classified import CAPACITY, DECIDES
from tests.mutation.finding import REPOSITORY, numbers


def test_every_constant_is_classified() -> None:
    """A new one is entered in `classified.py`; where it decides a number, a test has to notice."""
    assert sorted({number.constant for number in numbers()}) == sorted({*CAPACITY, *DECIDES})
    assert not set(CAPACITY) & set(DECIDES)


def test_a_changed_number_is_another_one() -> None:
    for number in numbers():
        source = (REPOSITORY / number.file).read_text()
        changed = number.changed(source)
        if number.file.endswith(".toml"):
            tomllib.loads(changed)
        else:
            ast.parse(changed, number.file)
        before = source[number.start : number.end]
        after = changed[number.start : len(changed) - len(source) + number.end]
        values = eval(before, {}), eval(after, {})
        assert values[0] != values[1], number.id
        assert type(values[0]) is type(values[1]), number.id
