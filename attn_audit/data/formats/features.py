"""Names of classes out of the features that `datasets` describes a data set by."""

from collections.abc import Mapping

CLASSES = "ClassLabel"


def classes_of(features: Mapping[str, object]) -> dict[str, tuple[str, ...]]:
    """The classes' names in order of their numbers, of every column that holds such numbers.

    Args:
        features: As `Features.to_dict()` gives them, and the metadata of a Parquet file.

    Example:
        >>> classes_of({"label": {"names": ["neg", "pos"], "_type": "ClassLabel"}})
        {'label': ('neg', 'pos')}
    """
    named = {column: _names(feature) for column, feature in features.items()}
    return {column: names for column, names in named.items() if names}


def flags_of(features: Mapping[str, object]) -> list[str]:
    """The columns of truth values and integers.

    Args:
        features: As `Features.to_dict()` gives them.

    Example:
        >>> flags_of({"joy": {"dtype": "bool", "_type": "Value"}})
        ['joy']
    """
    return [column for column, feature in features.items() if _may_be_flag(feature)]


def _may_be_flag(feature: object) -> bool:
    if not isinstance(feature, Mapping) or feature.get("_type") != "Value":
        return False
    return str(feature.get("dtype")).startswith(("bool", "int", "uint"))


def _names(feature: object) -> tuple[str, ...]:
    """Of one number, or of each in a list."""
    if isinstance(feature, list) and len(feature) == 1:
        return _names(feature[0])
    if not isinstance(feature, Mapping):
        return ()
    names = feature.get("names")
    if feature.get("_type") == CLASSES and isinstance(names, list):
        return tuple(map(str, names))
    return _names(feature.get("feature"))
