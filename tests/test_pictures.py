"""The pictures of README and pages show what the program says now."""

import importlib.util
import struct
from types import ModuleType

import pytest

import attn_audit
from attn_audit.formats.documents.report import document
from tests.conftest import REPOSITORY

IMAGES = REPOSITORY / "docs" / "images"


@pytest.fixture(scope="module")
def pictures() -> ModuleType:
    path = REPOSITORY / "docs" / "pictures.py"
    spec = importlib.util.spec_from_file_location("pictures", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def audited(pictures: ModuleType) -> attn_audit.Report:
    found: attn_audit.Report = pictures.audited()
    return found


def test_every_picture_is_one_that_is_made() -> None:
    assert sorted(path.name for path in IMAGES.iterdir()) == ["report.png", "terminal.svg"]
    pages = [REPOSITORY / "README.md", *(REPOSITORY / "docs").glob("*.md")]
    texts = [path.read_text(encoding="utf-8") for path in pages]
    for path in IMAGES.iterdir():
        assert any(f"images/{path.name})" in text for text in texts)


def test_the_terminal_is_what_explain_prints(pictures: ModuleType) -> None:
    """Character by character and colour by colour; else: `python docs/pictures.py`."""
    drawn = pictures.terminal()
    assert drawn == (IMAGES / "terminal.svg").read_text(encoding="utf-8")
    assert "url(" not in drawn.replace("url(#", ""), "it would load something from elsewhere"


def test_the_report_shows_the_answers_and_numbers_of_today(
    pictures: ModuleType, audited: attn_audit.Report
) -> None:
    """By what the picture says of itself; else: `python docs/pictures.py`."""
    said = pictures.said_of((IMAGES / "report.png").read_bytes())
    assert said == pictures.first_screen(document(audited))
    assert "right in 96.2%" in said


def test_the_report_is_photographed_with_what_it_says(
    pictures: ModuleType, audited: attn_audit.Report
) -> None:
    chromium = pictures.browser()
    if chromium is None:
        pytest.skip("needs Chromium: `apt-get install chromium`")
    png = pictures.photographed(audited, chromium)
    assert struct.unpack_from(">II", png, png.index(b"IHDR") + 4) == pictures.SIZE
    assert pictures.said_of(png) == pictures.first_screen(document(audited))
    assert len(png) > 50_000, "an empty page takes a tenth of it"
