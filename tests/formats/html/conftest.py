"""Pages in a headless browser: the system's Chromium and its driver, nothing downloaded."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

from attn_audit.formats import html
from attn_audit.formats.documents.report import document
from attn_audit.results.report import Report
from attn_audit.results.verdict import Verdict

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-dev-shm-usage",
    "--disable-sync",
    "--no-first-run",
    "--window-size=1280,900",
)

SECONDS = 30
"""That anything may take on a busy machine."""


class Opened(Protocol):
    """Open a report's page, with what a policy says of it; one that is open begins anew."""

    def __call__(self, report: Report, judged: Verdict | None = None, **screen: Any) -> "Page": ...


class Page:
    """A report in the browser."""

    def __init__(self, driver: webdriver.Chrome, path: Path, text: str, **screen: Any) -> None:
        path.write_text(text, encoding="utf-8")
        self.driver, self.text = driver, text
        self.url = path.as_uri()
        self.is_new_size = False
        self._said, self._asked = list[str](), set[str]()
        driver.get("about:blank")
        for log in ("browser", "performance"):
            driver.get_log(log)
        if screen:
            self.emulate(**screen)
        driver.get(self.url)
        self.wait("return document.documentElement.dataset.drawn === 'true' || !window.vegaEmbed")

    def run(self, script: str, *values: Any) -> Any:
        return self.driver.execute_script(script, *values)

    def wait(self, condition: str) -> None:
        WebDriverWait(self.driver, SECONDS, poll_frequency=0.05).until(
            lambda _: self.run(condition)
        )

    def begin_anew(self) -> None:
        """No example is searched for, and nothing sorted."""
        self.run(
            "const controls = document.getElementById('controls');"
            "controls.reset(); controls.dispatchEvent(new Event('input'));"
        )

    def console(self) -> list[str]:
        self._said += [entry["message"] for entry in self.driver.get_log("browser")]
        return self._said

    def requests(self) -> set[str]:
        """What the page asked for, itself among it."""
        events = (json.loads(e["message"])["message"] for e in self.driver.get_log("performance"))
        sent = (e for e in events if e["method"] == "Network.requestWillBeSent")
        self._asked |= {event["params"]["request"]["url"] for event in sent}
        return self._asked

    def texts(self, selector: str) -> list[str]:
        script = "return [...document.querySelectorAll(arguments[0])].map((e) => e.textContent)"
        found: list[str] = self.run(script, selector)
        return found

    def set(self, name: str, value: str) -> None:
        """Give a control of the example browser a value, as a user would."""
        self.run(
            "const control = document.getElementById('controls').elements[arguments[0]];"
            "control.value = arguments[1];"
            "control.dispatchEvent(new Event('input', {bubbles: true}));",
            name,
            value,
        )

    def ids(self) -> list[str]:
        """Of the examples shown."""
        return [text.split("· ")[-1].strip() for text in self.texts("#list .example h3 small")]

    def emulate(self, width: int, scheme: str = "light", media: str = "screen") -> None:
        """Another screen, or paper; figures are drawn anew for it, a while later."""
        self.is_new_size = True
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.driver.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"media": media, "features": [feature]}
        )


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    chromedriver = shutil.which("chromedriver")
    if browser is None or chromedriver is None:
        pytest.skip("needs Chromium and its driver: `apt-get install chromium chromium-driver`")
    options = Options()
    options.binary_location = browser
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    started = webdriver.Chrome(options=options, service=Service(chromedriver))
    yield started
    started.quit()


_PAGES: dict[int, tuple[Report, str]] = {}
"""By the identity of a report, which is kept so that no other gets it."""


def rendered(report: Report, judged: Verdict | None = None) -> str:
    """The page of a report, rendered once: many tests look at the same one."""
    if judged is not None:
        return html.render(document(report, judged))
    if id(report) not in _PAGES:
        _PAGES[id(report)] = (report, html.render(document(report)))
    return _PAGES[id(report)][1]


@pytest.fixture(scope="session")
def in_browser() -> list[Page]:
    """The page in the browser, last."""
    return []


@pytest.fixture
def opened(driver: webdriver.Chrome, tmp_path: Path, in_browser: list[Page]) -> Iterator[Opened]:
    """Open a report's page."""

    def open_page(report: Report, judged: Verdict | None = None, **screen: Any) -> Page:
        text = rendered(report, judged)
        if (
            in_browser
            and in_browser[-1].text == text
            and not (screen or in_browser[-1].is_new_size)
        ):
            in_browser[-1].begin_anew()
        else:
            in_browser.append(Page(driver, tmp_path / "report.html", text, **screen))
        return in_browser[-1]

    yield open_page
    if in_browser and in_browser[-1].is_new_size:
        driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
