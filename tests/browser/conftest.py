"""A headless Chromium that remembers its console and its requests, and pages to open in it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

from tests.helpers.pages import page_of
from tests.helpers.waiting import PATIENCE_S, until

AXE = Path(__file__).resolve().parent / "node_modules" / "axe-core" / "axe.min.js"
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,1000",
)
PHONE = 600  # pixels; a narrower screen is a phone's


class Browser:
    """Opens pages and records what they log and request."""

    def __init__(self, driver: webdriver.Chrome, downloads: Path) -> None:
        self.driver = driver
        self.downloads = downloads

    def cdp(self, command: str, **parameters: Any) -> dict[str, Any]:
        """Send a command of the DevTools protocol."""
        return self.driver.execute_cdp_cmd(command, parameters)

    def open(
        self, path: Path, *, scheme: str = "light", width: int | None = None, height: int = 800
    ) -> None:
        """Open a page anew, in a colour scheme and, if given, on a screen of that size."""
        wanted = {"prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce"}
        features = [{"name": name, "value": value} for name, value in wanted.items()]
        self.cdp("Emulation.setEmulatedMedia", media="", features=features)
        if width is None:
            self.cdp("Emulation.clearDeviceMetricsOverride")
        else:
            mobile = width < PHONE
            sharp = 2 if mobile else 1
            shape = {"width": width, "height": height, "deviceScaleFactor": sharp, "mobile": mobile}
            self.cdp("Emulation.setDeviceMetricsOverride", **shape)
        self.logs(), self.requests()  # forget what earlier pages left
        self.driver.get(path.resolve().as_uri())

    def run(self, script: str, *arguments: Any) -> Any:
        """Run JavaScript in the page; ``return`` what it gives."""
        return self.driver.execute_script(script, *arguments)

    def logs(self) -> list[dict[str, Any]]:
        """Return what the console holds since the last call: errors, warnings, refusals."""
        return list(self.driver.get_log("browser"))

    def requests(self) -> list[str]:
        """Return the addresses asked for since the last call."""
        events = [
            json.loads(row["message"])["message"] for row in self.driver.get_log("performance")
        ]
        return [
            event["params"]["request"]["url"]
            for event in events
            if event["method"] == "Network.requestWillBeSent"
        ]

    def downloaded(self, name: str) -> Path:
        """Return a file that a click has asked for, once it is there."""
        target = self.downloads / name
        until(target.is_file)
        return target


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Start Debian's Chromium once; its downloads go to a folder of their own."""
    chromium, chromedriver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or chromedriver is None:
        pytest.fail("chromium and chromedriver are not installed (Debian: chromium-driver)")
    folder = tmp_path_factory.mktemp("browser")
    options = Options()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={folder / 'profile'}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    downloads = folder / "downloads"
    downloads.mkdir()
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    driver = webdriver.Chrome(options=options, service=Service(chromedriver))
    driver.set_script_timeout(PATIENCE_S)
    yield Browser(driver, downloads)
    driver.quit()


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a builder that makes each made-up study's page once."""
    made: dict[str, Path] = {}

    def build(**study: Any) -> Path:
        key = repr(sorted(study.items()))
        if key not in made:
            made[key] = page_of(tmp_path_factory.mktemp("study") / "s", **study)
        return made[key]

    return build


@pytest.fixture(scope="session")
def axe() -> str:
    """Return the source of axe-core."""
    if not AXE.is_file():
        pytest.fail("axe-core is not installed: run make test-browser")
    return AXE.read_text(encoding="utf-8")
