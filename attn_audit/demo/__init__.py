"""A small trained model and some held-out texts that come with the package. NOTICE says whose."""

from pathlib import Path

from attn_audit.settings import DEMO

FOLDER = Path(__file__).parent
MODEL = FOLDER / "model.pt"
DATA = FOLDER / "texts.jsonl"


def or_packaged(location: str, packaged: Path) -> str:
    """The packaged file for the name `demo`, unless there is something of that name."""
    is_demo = location == DEMO and not Path(location).exists()
    return str(packaged) if is_demo else location
