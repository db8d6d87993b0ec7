"""Photograph the page for docs/demo.md; needs Chromium, and a machine that does nothing else.

3dcseg demo
python docs/photograph_demo.py http://127.0.0.1:8765/
"""

import shutil
import sys
from pathlib import Path

from photograph_report import save
from playwright.sync_api import sync_playwright

CLIP = Path(__file__).parents[1] / "examples" / "dog.mp4"
MINUTES = 10  # that the clip may take


def photograph(address: str) -> None:
    """Write docs/demo.webp: the example clip on the page at ``address``, half of it cut out."""
    with sync_playwright() as started:
        browser = started.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--headless", "--no-sandbox"]
        )
        page = browser.new_page(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
        page.goto(address)
        page.set_input_files("#file", CLIP)
        page.wait_for_selector("#downloads:not([hidden])", timeout=60_000 * MINUTES)
        page.locator("text=Transparent").first.click()
        for control, value in (("#seek", "40"), ("#wipe", "46")):
            page.locator(control).fill(value)
        page.wait_for_selector("#canvas[data-frame='40']")
        page.evaluate("scrollTo(0, 0)")
        save(page, "demo.webp")
        page.click("#delete")
        browser.close()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    photograph(sys.argv[1])
