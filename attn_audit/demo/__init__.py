"""A small trained model and some held-out texts that come with the package. NOTICE says whose."""

from pathlib import Path

FOLDER = Path(__file__).parent
MODEL = FOLDER / "model.pt"
DATA = FOLDER / "texts.jsonl"

NAME = "demo"
"""Stands for the packaged model or texts where a MODEL or DATA is asked for."""


def or_packaged(location: str, packaged: Path) -> str:
    """The packaged file for the name `demo`, unless there is something of that name.

    Args:
        location: What the user wrote.
        packaged: MODEL or DATA.
    """
    is_demo = location == NAME and not Path(location).exists()
    return str(packaged) if is_demo else location
