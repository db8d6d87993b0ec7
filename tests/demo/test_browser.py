"""The page in headless Chromium: a real upload through to the download."""

import re
import subprocess
import sys
import zipfile
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from browsing import watched
from demo_server import COUNT, HEIGHT, SETTINGS, WIDTH, Bright, check_same_video
from made_videos import write_video
from patience import PATIENCE, until

from threedcseg.cli.main import main
from threedcseg.demo.uploads import Limits
from threedcseg.outputs.formats import FORMATS
from threedcseg.outputs.rendering import Rendering
from threedcseg.segmentation.video import segment_video
from threedcseg.video.reader import open_video

SIZES = {"desktop": (1280, 900), "phone": (390, 844)}
EXPECTED_TROUBLE = "status of (404|413|415)"  # Chromium writes answers to its console


@pytest.fixture
def visit(browser):
    """Open the page of a server as a new user; nothing may go wrong or leave the server."""

    @contextmanager
    def visiting(demo, size: str = "desktop", path: str = "/", **options):
        with watched(browser, SIZES[size], demo.url, expected=EXPECTED_TROUBLE, **options) as page:
            page.goto(demo.url + path)
            until(lambda: page.locator("#limits").inner_text())
            yield page

    return visiting


def picture(page) -> bytes:
    """The pixels of the canvas, not of the screen."""
    return page.evaluate(
        "() => { const c = document.getElementById('canvas');"
        " return [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data].join() }"
    )


def pixels(page) -> np.ndarray:
    values = np.array(picture(page).split(","), np.uint8)
    return values.reshape(HEIGHT, WIDTH, 4)[..., :3]


def changes(page, act) -> None:
    before = picture(page)
    act()
    until(lambda: picture(page) != before)


def finished(page) -> None:
    page.wait_for_selector("#downloads:not([hidden])")
    until(lambda: page.locator("#seek").get_attribute("max") == str(COUNT - 1))
    page.wait_for_selector("body.playing")
    page.click("#play")


def save(page, name: str, path: Path) -> str:
    with page.expect_download() as download:
        page.locator(f"[data-format='{name}'] button").click()
    download.value.save_as(path)
    return download.value.suggested_filename


@pytest.fixture(scope="module")
def two_discs(tmp_path_factory) -> Path:
    """A large one above, a small one below it; both stay apart."""
    images = []
    for t in range(COUNT):
        image = np.full((HEIGHT, WIDTH, 3), 30, np.uint8)
        cv2.circle(image, (40 + 4 * t, 30), 20, (240, 240, 240), -1)
        cv2.circle(image, (120 - 3 * t, 75), 12, (250, 230, 240), -1)
        images.append(image)
    return write_video(tmp_path_factory.mktemp("two") / "two.mp4", images)


def test_a_click_drops_an_object_and_the_downloads_follow(demo, visit, two_discs, tmp_path):
    with visit(demo) as page:
        page.set_input_files("#file", two_discs)
        finished(page)
        page.focus("#canvas")
        page.keyboard.press("Home")
        page.wait_for_selector("#canvas[data-frame='0']")
        page.fill("#wipe", "0")
        buttons = page.locator("#object-list button")
        until(lambda: buttons.count() == 2)
        assert page.locator("#objects legend").inner_text() == "Objects to keep"
        labels = [button.get_attribute("aria-label") for button in buttons.all()]
        assert labels == [f"Object {n}, frames 1 to {COUNT}" for n in (1, 2)]
        whole = pixels(page).astype(int)
        colors = [whole[30, 40], whole[75, 120]]
        assert np.abs(colors[0] - colors[1]).max() > 40, "each has a colour of its own"

        box = page.locator("#canvas").bounding_box()
        place = {"x": box["width"] * 120 / WIDTH, "y": box["height"] * 75 / HEIGHT}
        changes(page, lambda: page.locator("#canvas").click(position=place))
        assert buttons.nth(1).get_attribute("aria-pressed") == "false"
        assert page.locator("#wipe").input_value() == "0", "a click on an object is no wipe"
        assert page.locator("#spoken").inner_text() == "Object 2 is left out"
        left = pixels(page).astype(int)
        assert np.abs(left[75, 120] - 240).max() < 15, "as in the video"
        assert np.array_equal(left[30, 40], whole[30, 40])

        page.keyboard.press("ArrowRight")  # in every frame
        page.wait_for_selector("#canvas[data-frame='1']")
        assert np.abs(pixels(page)[75, 117].astype(int) - 240).max() < 15
        save(page, "masks", tmp_path / "one.zip")

        buttons.nth(0).focus()  # by keyboard: the other one instead
        page.keyboard.press("Space")
        buttons.nth(1).focus()
        page.keyboard.press("Enter")
        assert [b.get_attribute("aria-pressed") for b in buttons.all()] == ["false", "true"]
        save(page, "masks", tmp_path / "other.zip")
    for name, above, below in (("one.zip", True, False), ("other.zip", False, True)):
        with zipfile.ZipFile(tmp_path / name) as archive:
            assert len(archive.namelist()) == COUNT
            for file in archive.namelist():
                mask = cv2.imdecode(np.frombuffer(archive.read(file), np.uint8), 0)
                assert (mask[:52].any(), mask[56:].any()) == (above, below)


def test_one_object_is_not_listed(demo, visit, videos):
    with visit(demo) as page:
        page.set_input_files("#file", videos[0])
        finished(page)
        assert page.locator("#objects").is_hidden()


@pytest.mark.parametrize("size", SIZES)
def test_from_the_drop_to_the_download(demo, visit, videos, tmp_path, size):
    demo.network.close_gate()
    with visit(demo, size) as page:
        page.set_input_files("#file", videos[0])
        page.wait_for_selector("text=Looking at the first frames")
        assert page.locator("h1:visible").inner_text() == "right.mp4"
        demo.network.let_pass(1)
        page.wait_for_selector("#canvas[data-frame]")
        assert page.locator("#live").is_visible()
        assert page.locator("#downloads").is_hidden()
        assert re.fullmatch(rf"\d of {COUNT}", page.locator("#f-frames").inner_text())
        assert "frames/s" in page.locator("#f-speed").inner_text()
        assert page.locator("#facts").is_visible() and page.locator("#patience").is_hidden()
        assert page.locator("#f-device").inner_text() == "a test"
        assert page.locator("#f-left-name").inner_text() == "Time left"
        demo.network.let_pass()
        finished(page)
        assert page.locator("#f-frames").inner_text() == f"{COUNT} of {COUNT}"
        page.click("#to-downloads")
        assert save(page, "masks", tmp_path / "masks.zip") == "right-masks.zip"
        assert save(page, "overlay", tmp_path / "overlay.mp4") == "right-overlay.mp4"
        assert "deleted at" in page.locator("#kept").inner_text()
        page.click("#delete")
        page.wait_for_selector("#start:not([hidden])")
        until(lambda: demo.left() == [])
    segment_video(videos[0], tmp_path / "expected", Bright(), SETTINGS, write=["masks", "overlay"])
    with zipfile.ZipFile(tmp_path / "masks.zip") as archive:
        assert len(archive.namelist()) == COUNT
        for name in archive.namelist():
            assert archive.read(name) == (tmp_path / "expected" / name).read_bytes()
    check_same_video(tmp_path / "overlay.mp4", tmp_path / "expected" / "overlay.mp4")


def test_the_file_has_the_background_that_is_shown(demo, visit, videos, tmp_path):
    with visit(demo) as page:
        page.set_input_files("#file", videos[0])
        finished(page)
        page.locator("input[value='cutout']").check(force=True)
        page.select_option("#behind", "gray")
        save(page, "cutout", tmp_path / "cutout.mp4")
    gray = Rendering(background="gray")
    segment_video(
        videos[0], tmp_path / "expected", Bright(), SETTINGS, write=["cutout"], rendering=gray
    )
    check_same_video(tmp_path / "cutout.mp4", tmp_path / "expected" / "cutout.mp4")


def test_what_the_player_shows(demo, visit, videos):
    with visit(demo) as page:
        page.set_input_files("#file", videos[0])
        finished(page)
        page.locator("#seek").fill("10")
        page.wait_for_selector("#canvas[data-frame='10']")
        page.locator("#wipe").fill("0")
        disc = cv2.circle(np.zeros((HEIGHT, WIDTH), np.uint8), (70, HEIGHT // 2), 16, 255, -1) > 0
        far = cv2.circle(np.zeros((HEIGHT, WIDTH), np.uint8), (70, HEIGHT // 2), 26, 255, -1) == 0

        def view(name: str) -> np.ndarray:
            changes(page, lambda: page.locator(f"input[value='{name}']").check(force=True))
            return pixels(page)

        assert np.all(view("mask")[disc] == 255) and np.all(pixels(page)[far] == 0)
        assert np.all(np.abs(view("cutout")[far] - np.int16([0, 0xB1, 0x40])) <= 1)
        assert np.all(pixels(page)[disc] > 180)
        changes(page, lambda: page.locator("#color").fill("#112233"))
        assert np.all(pixels(page)[far] == [0x11, 0x22, 0x33])
        changes(page, lambda: page.select_option("#behind", "gray"))
        gray = pixels(page)[far]
        assert np.all(gray == gray[:, :1]) and page.locator("#color").is_hidden()
        changes(page, lambda: page.select_option("#behind", "blur"))
        image = list(open_video(videos[0]))[10].image
        assert np.std(pixels(page)[far], axis=0).max() < np.std(image[far], axis=0).max()
        assert np.all(pixels(page)[disc] > 180)
        changes(page, lambda: page.select_option("#edges", "soft"))
        assert set(np.unique(view("alpha")[far])) == {205, 236}
        overlay = view("overlay")
        reddish = overlay[..., 0].astype(int) - overlay[..., 1]
        assert reddish[disc].mean() > 60 and abs(reddish[far]).mean() < 40
        changes(page, lambda: page.locator("#strength").fill("0"))
        changes(page, lambda: page.locator("#wipe").fill("100"))
        frame = list(open_video(videos[0]))[10].image
        assert np.abs(pixels(page).astype(int) - frame).mean() < 8  # the frame itself, as JPEG
        page.locator("#canvas").scroll_into_view_if_needed()
        box = page.locator("#canvas").bounding_box()
        page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 40)
        page.mouse.down()
        page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 40)
        page.mouse.up()
        assert abs(int(page.locator("#wipe").input_value()) - 20) <= 1


def test_the_player_obeys_the_keyboard(demo, visit, videos):
    with visit(demo) as page:
        page.set_input_files("#file", videos[0])
        finished(page)
        page.locator("#canvas").focus()
        for key, frame in [("End", COUNT - 1), ("ArrowLeft", COUNT - 2), ("Home", 0)]:
            page.keyboard.press(key)
            page.wait_for_selector(f"#canvas[data-frame='{frame}']")
        assert "frame 1 of" in page.locator("#spoken").inner_text()
        page.keyboard.press("Space")
        until(lambda: page.locator("#canvas").get_attribute("data-frame") != "0")
        page.keyboard.press("Space")
        assert page.locator("#play").get_attribute("aria-label") == "Play"
        before = int(page.locator("#wipe").input_value())
        page.keyboard.press("]")
        assert int(page.locator("#wipe").input_value()) == before + 5


def test_a_file_can_be_chosen_and_all_be_reached_by_keyboard(demo, visit, videos):
    with visit(demo) as page:
        seen = []
        for _ in range(4):
            page.keyboard.press("Tab")
            seen.append(
                page.evaluate("document.activeElement.id || document.activeElement.className")
            )
        assert seen[:3] == ["skip", "theme", "file"]
        with page.expect_file_chooser() as chooser:
            page.locator("#file").focus()
            page.keyboard.press("Enter")
        chooser.value.set_files(videos[0])
        finished(page)
        reached = set()
        page.locator("#play").focus()
        for _ in range(40):
            page.keyboard.press("Tab")
            reached.add(page.evaluate("document.activeElement.id"))
        assert {"seek", "wipe", "strength", "make-overlay", "make-masks", "delete"} <= reached


def test_a_dropped_file(demo, visit, videos):
    with visit(demo) as page:
        data = page.evaluate_handle(
            """(bytes) => { const d = new DataTransfer();
            d.items.add(new File([new Uint8Array(bytes)], 'dropped.mp4')); return d; }""",
            list(videos[1].read_bytes()),
        )
        page.dispatch_event("#drop", "dragenter", {"dataTransfer": data})
        assert "dragging" in page.locator("body").get_attribute("class")
        page.dispatch_event("#drop", "drop", {"dataTransfer": data})
        finished(page)
        assert page.locator("h1:visible").inner_text() == "dropped.mp4"


def test_what_is_not_a_video_is_said_and_can_be_put_right(demo, visit, videos):
    with visit(demo) as page:
        page.set_input_files(
            "#file", {"name": "notes.mp4", "mimeType": "video/mp4", "buffer": b"hello\n" * 99}
        )
        page.wait_for_selector("#start-trouble:not([hidden])")
        told = page.get_by_role("alert").filter(visible=True)
        assert told.inner_text().startswith("notes.mp4 is not a video")
        page.set_input_files("#file", videos[0])
        finished(page)
        assert page.get_by_role("alert").filter(visible=True).count() == 0


def test_a_file_that_is_too_large_is_not_even_sent(serve, visit, videos):
    with serve(Limits(max_megabytes=0.001)) as demo, visit(demo) as page:
        assert "0.001 MB" in page.locator("#limits").inner_text()
        page.set_input_files("#file", videos[0])
        page.wait_for_selector("#start-trouble:not([hidden])")
        assert "takes up to 0.001 MB" in page.locator("#start-trouble").inner_text()


def test_two_pages_wait_for_each_other_and_cancel(demo, visit, videos):
    demo.network.close_gate()
    with visit(demo) as first, visit(demo, "phone") as second:
        first.set_input_files("#file", videos[0])
        first.wait_for_selector("text=Looking at the first frames")
        second.set_input_files("#file", videos[1])
        second.wait_for_selector("text=In the queue: 1 video before yours")
        assert second.locator("#patience").is_visible()
        first.click("#cancel")
        first.wait_for_selector("#start:not([hidden])")
        demo.network.let_pass()
        finished(second)
        assert second.locator("h1:visible").inner_text() == "left.mp4"
        assert len(demo.left()) == 1


def test_a_page_that_is_loaded_anew_goes_on(demo, visit, videos):
    demo.network.close_gate()
    with visit(demo) as page:
        page.set_input_files("#file", videos[0])
        page.wait_for_selector("text=Looking at the first frames")
        page.reload()
        page.wait_for_selector("text=Looking at the first frames")
        demo.network.let_pass()
        finished(page)
        page.click("#again")
        page.wait_for_selector("#start:not([hidden])")
        page.go_back()
        finished(page)
        assert page.locator("h1:visible").inner_text() == "right.mp4"


def test_results_that_expire_leave_the_page(serve, visit, videos):
    with serve(Limits(keep_minutes=30)) as demo, visit(demo) as page:
        page.clock.install()
        page.set_input_files("#file", videos[0])
        finished(page)
        page.clock.fast_forward("31:00")
        page.wait_for_selector("text=have been deleted")


def test_the_example(serve, visit, videos):
    with serve(sample=videos[1]) as demo, visit(demo) as page:
        page.click("#sample")
        finished(page)
        assert page.locator("h1:visible").inner_text() == "left.mp4"


def rows(page) -> list[str]:
    return [row.inner_text().replace("\n", " ") for row in page.locator("#videos li").all()]


@pytest.mark.parametrize("size", SIZES)
def test_several_files_wait_in_a_list_each_with_its_time(demo, visit, videos, tmp_path, size):
    demo.network.close_gate()
    bad = tmp_path / "bad.mp4"
    bad.write_text("no video")
    with visit(demo, size) as page:
        page.set_input_files("#file", [videos[0], bad, videos[1]])
        page.wait_for_selector("text=Looking at the first frames")
        assert page.locator("h1:visible").inner_text() == "right.mp4"
        demo.network.let_pass(1)
        until(lambda: re.search(r"right.mp4 \d+ %, \d+ s left", rows(page)[0]))
        until(lambda: re.search(r"left.mp4 waits, \d+ s left", rows(page)[2]))
        assert "bad.mp4 is not a video" in rows(page)[1]
        assert page.locator("#videos [aria-current]").inner_text() == "right.mp4"
        page.click("text=left.mp4")
        page.wait_for_selector("text=In the queue: 1 video before yours")
        assert page.locator("#f-left").is_visible() and "s" in page.locator("#f-left").inner_text()
        assert page.locator("h1:visible").inner_text() == "left.mp4"
        wide, window = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide <= window
        page.reload()  # only what was sent is known then
        page.wait_for_selector("text=In the queue: 1 video before yours")
        until(lambda: len(rows(page)) == 2)
        demo.network.let_pass()
        finished(page)
        until(lambda: all(" done" in row for row in rows(page)))
        page.click("text=right.mp4")
        until(lambda: page.locator("h1:visible").inner_text() == "right.mp4")
        finished(page)
        page.get_by_label("Delete left.mp4").click()
        until(lambda: len(demo.left()) == 1)
        until(lambda: page.locator("#queue").is_hidden())  # one video needs no list
        assert page.locator("h1:visible").inner_text() == "right.mp4"


def test_more_files_can_be_dropped_meanwhile(demo, visit, videos):
    demo.network.close_gate()
    with visit(demo) as page:
        page.set_input_files("#file", videos[0])
        page.wait_for_selector("text=Looking at the first frames")
        data = page.evaluate_handle(
            """(bytes) => { const d = new DataTransfer();
            d.items.add(new File([new Uint8Array(bytes)], 'more.mp4')); return d; }""",
            list(videos[1].read_bytes()),
        )
        page.dispatch_event("body", "drop", {"dataTransfer": data})
        until(lambda: len(rows(page)) == 2 and "more.mp4 waits" in rows(page)[1])
        assert page.locator("h1:visible").inner_text() == "right.mp4"
        demo.network.let_pass()
        until(lambda: all(" done" in row for row in rows(page)))


def test_a_path_on_this_computer(serve, visit, videos):
    with serve(token="sesame", local=True) as demo:
        with visit(demo) as page:
            assert page.locator("#path-form").is_hidden()
        with visit(demo, path="/?token=sesame") as page:
            page.fill("#path", "/nowhere/at all.mp4")
            page.keyboard.press("Enter")
            page.wait_for_selector("#start-trouble:not([hidden])")
            assert "is not a file on this computer" in page.locator("#start-trouble").inner_text()
            page.fill("#path", str(videos[1]))
            page.keyboard.press("Enter")
            finished(page)
            assert page.locator("h1:visible").inner_text() == "left.mp4"


def test_frames_to_check_are_marked_and_a_key_leads_to_them(demo, visit, tmp_path):
    images = []
    for t in range(30):
        image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        radius = 12 if 10 <= t < 20 else 20
        images.append(cv2.circle(image, (80, HEIGHT // 2), radius, (230, 240, 225), -1))
    video = write_video(tmp_path / "v.mp4", images)
    with visit(demo) as page:
        page.set_input_files("#file", video)
        page.wait_for_selector("#check:not([hidden])")
        until(lambda: page.locator("#seek").get_attribute("max") == "29")
        page.wait_for_selector("body.playing")
        page.click("#play")
        assert page.locator("#check-count").inner_text() == "3 frames"
        token = page.evaluate("location.hash.slice(1)")
        doubtful = demo.wait(token)["doubtful"]
        assert page.locator("#marks span").count() == len(doubtful)
        page.locator("#seek").fill("0")
        page.locator("#canvas").focus()
        for first, last in doubtful:
            for frame in range(first, last + 1):
                page.keyboard.press("d")
                page.wait_for_selector(f"#canvas[data-frame='{frame}']")
                assert f"frame {frame + 1} of 30, to check" in page.locator("#time").inner_text()
        page.click("#check-next")  # round and round
        page.wait_for_selector(f"#canvas[data-frame='{doubtful[0][0]}']")


@pytest.mark.slow
def test_the_command_itself_with_the_real_network(visit, tmp_path):
    """`3dcseg demo` and `3dcseg segment` make the same of the example's beginning."""
    with open_video(Path(__file__).parents[2] / "examples" / "dog.mp4") as source:
        images = [frame.image for frame in islice(source, COUNT)]
    sample = write_video(tmp_path / "dog.mp4", images)
    options = ["--short-edge", "96"]
    command = [sys.executable, "-m", "threedcseg.cli.main"]
    process = subprocess.Popen(
        [*command, "demo", "--port", "0", *options], stdout=subprocess.PIPE, text=True
    )
    try:
        lines = [process.stdout.readline() for _ in range(2)]
        server = SimpleNamespace(url=lines[1].split()[1].partition("/?")[0])
        with visit(server) as page:
            page.set_input_files("#file", sample)
            page.wait_for_selector("#downloads:not([hidden])")
            save(page, "masks", tmp_path / "masks.zip")
            save(page, "alpha.webm", tmp_path / "alpha.webm")
    finally:
        process.terminate()
        process.wait(PATIENCE)
    words = [str(sample), "-o", str(tmp_path), "--write", "masks,alpha.webm", *options]
    assert main(["segment", *words]) == 0
    with zipfile.ZipFile(tmp_path / "masks.zip") as archive:
        assert len(archive.namelist()) == COUNT
        for name in archive.namelist():
            assert archive.read(name) == (tmp_path / "dog" / name).read_bytes()
    check_same_video(tmp_path / "alpha.webm", tmp_path / "dog" / "alpha.webm")


def luminance(color: str) -> float:
    values = [float(part) / 255 for part in color[color.index("(") + 1 : -1].split(",")[:3]]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(page, selector: str, behind: str) -> float:
    page.evaluate("Promise.allSettled(document.getAnimations().map(a => a.finished))")
    style = "(e, name) => getComputedStyle(e)[name]"
    ink = luminance(page.locator(selector).first.evaluate(style, "color"))
    paper = luminance(page.locator(behind).first.evaluate(style, "backgroundColor"))
    low, high = sorted((ink, paper))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everyone_can_read_it(demo, visit, videos, size, scheme):
    with visit(demo, size, color_scheme=scheme) as page:

        def check(pairs: dict[str, str]) -> None:
            wide, window = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
            assert wide <= window
            for selector, behind in pairs.items():
                assert contrast(page, selector, behind) >= 4.5, selector
            for role in ("button", "combobox", "slider", "radio", "img", "progressbar"):
                for element in page.get_by_role(role).all():
                    named = element.evaluate(
                        "e => e.ariaLabel || e.labels?.[0]?.textContent ||"
                        " e.getAttribute('aria-labelledby') || e.textContent.trim()"
                    )
                    assert named, element.evaluate("e => e.outerHTML")
            assert page.locator("h1:visible").count() == 1

        check({".lede": "body", "#limits": "#drop", ".invite": "#drop", "#theme": "body"})
        page.set_input_files("#file", videos[0])
        finished(page)
        check({".facts dt": "body", ".outputs p": "body", "#time": ".player", "#kept": "body"})
        check({".segments input:checked + span": ".segments input:checked + span"})
        buttons = page.get_by_role("button", name=re.compile("^Download ")).all()
        names = [
            button.evaluate("e => e.ariaLabelledByElements?.length ?? 2") for button in buttons
        ]
        assert len(names) == sum(not format.needs_objects for format in FORMATS.values())
        assert set(names) == {2}
