"""The report in headless Chromium, opened from the disk as a reader does."""

from itertools import pairwise
from pathlib import Path

import pytest
from browsing import watched
from patience import until


@pytest.fixture(params=[(1280, 900), (390, 844)], ids=["desktop", "phone"])
def page(browser, report, request):
    """The open report; afterwards nothing may have gone wrong or left the folder."""
    with watched(browser, request.param, report.as_uri() + "/") as page:
        failed = []
        page.on("requestfailed", lambda request: failed.append(request.url))
        page.goto((report / "index.html").as_uri())
        page.wait_for_selector("#p-canvas[data-frame='0']")
        yield page
        assert failed == []


def column(page, number: int) -> list[str]:
    cells = page.locator(f".headline tbody tr > :nth-child({number})")
    return [text.strip() for text in cells.all_inner_texts()]


def picture(page) -> bytes:
    return page.locator("#p-canvas").screenshot()


def test_nothing_sticks_out_sideways(page):
    wide, window = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert wide <= window


def test_every_picture_is_there(page):
    page.evaluate("for (const i of document.images) i.loading = 'eager'")
    page.wait_for_function("[...document.images].every((i) => i.complete)")
    widths = page.evaluate("[...document.images].map((i) => i.naturalWidth)")
    assert len(widths) == 2 * 3 * 4 and min(widths) > 0


def test_tables_sort_by_every_heading_with_unknown_figures_last(page):
    heading = page.locator(".headline th", has_text="J mean")
    for direction in ("descending", "ascending"):
        heading.locator("button").click()
        assert heading.get_attribute("aria-sort") == direction
        texts = column(page, 3)
        known = [float(text) for text in texts if text[0].isdigit()]
        assert known == sorted(known, reverse=direction == "descending")
        assert len(known) > 10 and not any(text[0].isdigit() for text in texts[len(known) :])
    page.locator(".headline th button").first.press("Enter")
    names = page.locator(".headline tbody th").evaluate_all("all => all.map(e => e.dataset.name)")
    assert names == sorted(names, key=lambda name: name.replace(",", "").casefold())
    assert page.locator(".headline [aria-sort]").count() == 1


def test_bars_take_the_order_of_a_run(page):
    names = page.locator(".bars th[scope=rowgroup]")
    assert names.all_inner_texts() == ["left", "right"]
    page.get_by_role("group", name="Order of the bars").get_by_text("first").click()
    assert names.all_inner_texts() == ["right", "left"]  # in left, a frame is empty
    assert page.locator("[data-order='0']").get_attribute("aria-pressed") == "true"


def test_the_player_plays_and_stops(page):
    before = picture(page)
    page.select_option("#p-speed", "24")
    page.click("#p-play")
    page.wait_for_function("Number(document.getElementById('p-canvas').dataset.frame) >= 3")
    page.click("#p-play")
    assert page.locator("#p-play").get_attribute("aria-label") == "Play"
    page.wait_for_timeout(500)
    stopped = page.locator("#p-canvas").get_attribute("data-frame")
    page.wait_for_timeout(300)
    assert page.locator("#p-canvas").get_attribute("data-frame") == stopped
    assert picture(page) != before
    assert f"frame {int(stopped):05d}" in page.locator("#p-status").inner_text()


def test_the_player_obeys_the_keyboard(page):
    canvas = page.locator("#p-canvas")
    canvas.focus()
    for key, frame in [("End", 9), ("ArrowLeft", 8), ("ArrowRight", 9), ("Home", 0)]:
        page.keyboard.press(key)
        page.wait_for_selector(f"#p-canvas[data-frame='{frame}']")
    page.keyboard.press("Space")
    page.wait_for_selector("#p-canvas[data-frame='2']")
    page.keyboard.press("Space")
    assert page.locator("#p-play").get_attribute("aria-label") == "Play"
    page.wait_for_function(
        "document.getElementById('p-spoken').textContent.includes('left, frame')"
    )


def test_wipe_opacity_errors_and_outline_change_the_picture(page):
    def changes(act) -> None:
        before = picture(page)
        act()
        until(lambda: picture(page) != before)

    def slide(name: str, value: int) -> None:
        page.locator(name).fill(str(value))

    changes(lambda: slide("#p-wipe", 100))
    changes(lambda: slide("#p-wipe", 0))
    changes(lambda: slide("#p-opacity", 95))
    changes(lambda: slide("#p-opacity", 0))
    slide("#p-opacity", 80)
    changes(lambda: page.select_option("#p-view", "errors"))
    assert page.locator("#p-legend").is_visible()
    changes(lambda: page.check("#p-outline"))
    changes(lambda: page.select_option("#p-right", "none"))


def test_dragging_moves_the_wipe(page):
    page.locator("#p-canvas").scroll_into_view_if_needed()
    box = page.locator("#p-canvas").bounding_box()
    x, y = box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"]
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.2 * box["width"], y)
    page.mouse.up()
    assert abs(int(page.locator("#p-wipe").input_value()) - 20) <= 1


def test_a_curve_takes_the_player_to_its_frame(page):
    panel = page.locator(".multiple[data-sequence='right'] .panel").first
    panel.scroll_into_view_if_needed()
    box = panel.bounding_box()
    panel.hover(position={"x": box["width"] - 1, "y": 10})
    assert "00009" in page.locator(".multiple[data-sequence='right'] .reading").inner_text()
    panel.click(position={"x": box["width"] - 1, "y": 10})
    page.wait_for_selector("#p-canvas[data-frame='9']")
    assert page.locator("#p-status").inner_text().startswith("right, frame 00009")


def test_screen_readers_find_names_for_everything(page):
    for role in ("button", "combobox", "slider", "checkbox", "img", "table", "region"):
        found = page.get_by_role(role)
        assert found.count() > 0, role
        for element in found.all():
            named = element.evaluate(
                "e => e.ariaLabel || e.labels?.[0]?.textContent || e.alt || e.caption?.textContent"
                " || e.getAttribute('aria-labelledby') || e.textContent.trim()"
            )
            assert named, element.evaluate("e => e.outerHTML")
    assert page.locator("h1").count() == 1
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3')].map(h => +h.tagName[1])")
    assert all(b - a <= 1 for a, b in pairwise(levels))


def luminance(color: str) -> float:
    values = [float(part) / 255 for part in color[color.index("(") + 1 : -1].split(",")[:3]]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_light_and_dark_both_have_contrast(page):
    colors = {}
    for _ in range(2):
        name = page.locator("#theme").inner_text()
        paper = luminance(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        for selector in (".lede", ".caution", ".published td", ".amount", "h2"):
            ink = luminance(page.locator(selector).first.evaluate("e => getComputedStyle(e).color"))
            low, high = sorted((ink, paper))
            assert (high + 0.05) / (low + 0.05) >= 4.5, (name, selector)
        colors[name] = paper
        page.click("#theme")
    assert set(colors) == {"Dark", "Light"}


def test_without_pictures_there_is_no_player(browser, material, tmp_path):
    from threedcseg.cli.main import main

    assert main(["report", *map(str, material.results), "-o", str(tmp_path / "report")]) == 0
    page = browser.new_page()
    troubles: list[str] = []
    page.on("console", lambda message: troubles.append(message.text))
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.goto(Path(tmp_path / "report" / "index.html").as_uri())
    assert page.locator(".multiple").count() == 2
    assert page.locator("canvas").count() == 0
    page.locator(".headline th button").first.click()
    page.close()
    assert troubles == []
