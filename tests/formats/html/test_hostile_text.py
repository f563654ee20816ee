"""Markup in texts, labels, ids, paths and names is text, and nothing else."""

import re
from html.parser import HTMLParser

import pytest

from attn_audit.results.report import Report
from tests.formats.html.conftest import Opened, rendered
from tests.formats.html.hostile import BREAKOUT, IMAGE, SCRIPT, UNSEEN, hostile


class Elements(HTMLParser):
    """Counts elements, and collects attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]


def elements(text: str) -> Elements:
    parsed = Elements()
    parsed.feed(text)
    return parsed


@pytest.fixture(scope="session")
def attacked(report: Report) -> Report:
    return hostile(report)


def test_makes_no_element_and_no_handler(report: Report, attacked: Report) -> None:
    found, honest = elements(rendered(attacked)), elements(rendered(report))
    assert found.tags.count("script") == honest.tags.count("script")
    assert set(found.tags) <= set(honest.tags)
    assert not [name for name, _ in found.attributes if name.startswith("on")]


def test_does_not_run(attacked: Report, opened: Opened) -> None:
    page = opened(attacked)
    page.set("search", "window")
    page.set("verdict", "wrong")
    page.set("sort", "adversarial.max_jsd")
    page.run(
        "const key = new KeyboardEvent('keydown', {key: 'ArrowRight'});"
        "document.querySelector('.rows').dispatchEvent(key);"
    )
    assert page.run("return window.stolen") is None
    assert page.console() == []
    assert page.requests() == {page.url}


def test_is_shown_as_it_was_written(attacked: Report, opened: Opened) -> None:
    page = opened(attacked)
    words = page.texts(".example .word")
    assert words[:3] == [SCRIPT, BREAKOUT, IMAGE]
    assert words[5] == r"a\u202eb\ud800c\x00"
    assert IMAGE in page.texts("select[name=gold] option")
    assert any(IMAGE in text for text in page.texts("[data-figure=tau_by_class] svg text"))
    assert SCRIPT in page.texts("h1")[0]


def test_text_that_utf_8_cannot_hold_is_spelled_out(attacked: Report) -> None:
    assert "\ud800" in UNSEEN
    rendered(attacked).encode("utf-8")


@pytest.mark.parametrize("text", [SCRIPT, BREAKOUT, IMAGE])
def test_ends_no_block_of_data(attacked: Report, text: str) -> None:
    page = rendered(attacked)
    blocks = re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', page, re.DOTALL)
    assert len(blocks) == 2
    assert all("<" not in block and "&" not in block for block in blocks)
    assert text not in page
