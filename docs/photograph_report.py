"""Photograph a report for docs/report.md: results, player, player on a phone; needs Chromium.

3dcseg evaluate --model compact --data DAVIS --split dev --keep masks --json masks.json
3dcseg report masks.json -o report --ground-truth DAVIS --split dev
python docs/photograph_report.py report
"""

import shutil
import sys
from io import BytesIO
from pathlib import Path
from typing import Literal

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from threedcseg.atomic import replacing

DOCS = Path(__file__).parent


def open_report(
    browser: Browser, report: Path, width: int, height: int, scheme: Literal["light", "dark"]
) -> Page:
    """The page of ``report`` in a window of that size."""
    page = browser.new_page(
        viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion="reduce"
    )
    page.goto((report / "index.html").resolve().as_uri())
    page.wait_for_selector("#p-canvas[data-frame='0']")
    return page


def go_to(page: Page, section: str) -> None:
    page.evaluate(f"document.querySelector('{section}').scrollIntoView()")


def show(page: Page, frame: int) -> None:
    """Let the player show a frame of the sequence chosen."""
    page.locator("#p-frame").fill(str(frame))
    page.locator("#p-frame").blur()
    page.wait_for_selector(f"#p-canvas[data-frame='{frame}']")
    page.wait_for_load_state("networkidle")


def save(page: Page, name: str) -> None:
    image = Image.open(BytesIO(page.screenshot()))
    with replacing(DOCS / name) as temporary:
        image.convert("RGB").save(temporary, "WEBP", quality=80, method=6)


def photograph(report: Path) -> None:
    """Write the three pictures; the second shows errors of the first two runs, if there are two."""
    with sync_playwright() as started:
        browser = started.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--headless", "--no-sandbox"]
        )
        page = open_report(browser, report, 1200, 900, "light")
        go_to(page, "#results")
        save(page, "report-results.webp")

        page.select_option("#p-sequence", label="horsejump-high")
        page.select_option("#p-view", "errors")
        show(page, 20)
        go_to(page, "#player")
        save(page, "report-player.webp")

        phone = open_report(browser, report, 390, 844, "dark")
        phone.select_option("#p-sequence", label="dog")
        show(phone, 15)
        go_to(phone, "#player")
        save(phone, "report-phone.webp")
        browser.close()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    photograph(Path(sys.argv[1]))
