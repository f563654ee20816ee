"""The pictures of the pages, made of the packaged model: `python docs/pictures.py`, with Chromium.

What they show is compared with what the program says now by `tests/test_pictures.py`.
"""

import re
import shutil
import struct
import subprocess
import zlib
from contextlib import chdir
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

import attn_audit
from attn_audit.document import Document, Glance
from attn_audit.formats.documents import explanation, report
from attn_audit.formats.terminal import show

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
MODEL, TEXTS = "attn_audit/demo/model.pt", "attn_audit/demo/texts.jsonl"
"""Seen from the root, so that pictures name no folder of whoever makes them."""

TEXT = "thank you so much , this made my day even though the ending was sad"
COLUMNS = 92
SIZE = (1280, 900)
SIGNATURE = b"\x89PNG\r\n\x1a\n"
SAID = "Description"
"""Of a PNG: what it shows, in words."""


def terminal() -> str:
    """What `explain` prints of a text, as SVG that loads no font from anywhere."""
    with chdir(ROOT):
        found = attn_audit.explain(MODEL, TEXT)
    # As high as need be: a screen that is too small is shown the answer twice.
    console = Console(
        record=True, file=StringIO(), width=COLUMNS, height=1000, force_terminal=True,
        color_system="truecolor", _environ={},
    )  # fmt: skip
    show(explanation.document(found), console)
    drawn = console.export_svg(title="attn-audit explain", unique_id="terminal")
    return re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL)


def first_screen(document: Document) -> str:
    """What the picture of a report's page shows, and what is just below it."""
    blocks = (block for section in document.sections for block in section.blocks)
    glance = next(block for block in blocks if isinstance(block, Glance))
    cards = (*glance.decisive, *glance.others)
    assert document.answer is not None
    said = (line for card in cards for line in (card.question, card.verdict, *card.lines))
    return "\n".join((document.title, document.question, document.answer.text, *said))


def audited() -> attn_audit.Report:
    """The packaged model on its texts."""
    with chdir(ROOT):
        return attn_audit.audit(MODEL, TEXTS, reproducible=True)


def browser() -> str | None:
    """Chromium, if there is one."""
    return shutil.which("chromium") or shutil.which("google-chrome")


def photographed(found: attn_audit.Report, chromium: str) -> bytes:
    """The first screen of a report's page as PNG, with what it says."""
    with TemporaryDirectory() as folder:
        page, picture = Path(folder) / "report.html", Path(folder) / "report.png"
        found.save(page)
        subprocess.run(
            [
                *(chromium, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
                *(f"--user-data-dir={folder}/profile", f"--window-size={SIZE[0]},{SIZE[1]}"),
                *("--virtual-time-budget=10000", f"--screenshot={picture}", page.as_uri()),
            ],
            check=True,
            capture_output=True,
        )
        drawn = picture.read_bytes()
    content = f"{SAID}\0\0\0\0\0{first_screen(report.document(found))}".encode()
    header = len(SIGNATURE) + 25  # of the chunk that has to be the first
    return drawn[:header] + _chunk(b"iTXt", content) + drawn[header:]


def _chunk(kind: bytes, content: bytes) -> bytes:
    check = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)


def said_of(png: bytes) -> str:
    """What a picture says that it shows."""
    start = png.index(b"iTXt")
    (length,) = struct.unpack_from(">I", png, start - 4)
    return png[start + 4 : start + 4 + length].split(b"\0\0\0\0\0", 1)[1].decode()


if __name__ == "__main__":
    IMAGES.joinpath("terminal.svg").write_text(terminal(), encoding="utf-8")
    if (chromium := browser()) is None:
        raise SystemExit("report.png needs Chromium: `apt-get install chromium`")
    IMAGES.joinpath("report.png").write_bytes(photographed(audited(), chromium))
