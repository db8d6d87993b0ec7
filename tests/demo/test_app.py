"""The server of the demo, spoken to as by browsers and by those who mean ill."""

import asyncio
import io
import re
import shutil
import socket
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest
from demo_server import COUNT, HEIGHT, SETTINGS, WIDTH, Bright, check_same_video, disc_video, httpx
from made_videos import write_video
from patience import PATIENCE, until

from threedcseg.demo import app as app_module
from threedcseg.demo import connections
from threedcseg.demo import jobs as jobs_module
from threedcseg.demo.connections import client_of
from threedcseg.demo.uploads import Limits
from threedcseg.outputs.formats import FORMATS
from threedcseg.outputs.rendering import Rendering
from threedcseg.segmentation.video import segment_video


def image(data: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)


def members(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_masks_arrive_while_the_video_is_segmented(demo, videos):
    demo.network.close_gate()
    token = demo.start(videos[0], "my disc.mp4")
    demo.network.let_pass(1)
    snapshots = demo.events(token)
    early = next(now for now in snapshots if now["done"])
    assert (early["state"], early["name"], early["total"]) == ("running", "my disc.mp4", COUNT)
    assert 0 < early["done"] < COUNT and early["speed"] > 0 and early["seconds_left"] > 0
    frame = demo.client.get(f"/jobs/{token}/frames/0.jpg")
    assert image(frame.content).shape == (HEIGHT, WIDTH, 3)
    missing = demo.client.get(f"/jobs/{token}/frames/{COUNT - 1}.jpg")
    assert missing.status_code == 404
    assert demo.client.post(f"/jobs/{token}/outputs/overlay").status_code == 409
    demo.network.let_pass()
    *_, last = snapshots
    assert (last["state"], last["done"], last["error"]) == ("done", COUNT, None)
    red, green, _ = cv2.split(image(demo.client.get(f"/jobs/{token}/frames/10.png").content))
    disc = cv2.circle(np.zeros((HEIGHT, WIDTH), np.uint8), (30 + 40, HEIGHT // 2), 20, 255, -1)
    assert set(np.unique(red)) == {0, 255}
    assert np.mean((red > 0) == (disc > 0)) > 0.98
    assert np.all((green > 127)[red == 0] == 0)


@pytest.mark.parametrize("edges", ["hard", "soft", "matte"])
def test_outputs_are_those_of_segment(demo, videos, tmp_path, edges):
    """What is made afterwards is what `3dcseg segment --write` makes in one pass."""
    token = demo.start(videos[0], "right.mp4")
    demo.wait(token)
    rendering = Rendering(edges, "#203040")
    some = {"soft": ["alpha.mov", "cutout", "matte"], "matte": ["cutout", "rgba"]}
    names = some.get(edges, list(FORMATS))
    expected = tmp_path / "expected"
    segment_video(videos[0], expected, Bright(), SETTINGS, write=names, rendering=rendering)
    for name in names:
        answer = demo.fetch(token, name, edges=edges, background="#203040")
        file = re.search('filename="(.*)"', answer.headers["content-disposition"])[1]
        assert file.startswith("right-")
        if file.endswith(".zip"):
            files = [path for each in FORMATS[name].files for path in expected.glob(each)]
            there = {path.name: path.read_bytes() for path in files}
            assert members(answer.content) == there
            assert len(there) == (COUNT if FORMATS[name].is_images else len(FORMATS[name].files))
        elif file.endswith((".mp4", ".mov", ".webm")):
            made = tmp_path / file
            made.write_bytes(answer.content)
            check_same_video(made, expected / file[6:])
        else:
            assert answer.content == (expected / file[6:]).read_bytes()


def test_an_output_is_made_once_for_each_rendering(demo, videos):
    token = demo.start(videos[0])
    demo.wait(token)

    def number(**options: str) -> int:
        return demo.client.post(f"/jobs/{token}/outputs/matte", params=options).json()["number"]

    assert [number(), number(), number(edges="soft"), number()] == [0, 0, 1, 0]


def test_two_users_do_not_mix(demo, videos):
    demo.network.close_gate()
    tokens = [demo.start(video, video.name) for video in videos]
    assert tokens[0] != tokens[1] and all(len(token) >= 20 for token in tokens)
    until(lambda: next(iter(demo.events(tokens[0])))["state"] == "running")
    waiting = next(iter(demo.events(tokens[1])))
    assert (waiting["state"], waiting["before"]) == ("queued", 1)
    demo.network.let_pass()
    for token, video, x in zip(tokens, videos, (30, 130), strict=True):
        assert demo.wait(token)["name"] == video.name
        red = image(demo.client.get(f"/jobs/{token}/frames/0.png").content)[..., 0]
        assert abs(np.flatnonzero(red.any(0)).mean() - x) < 3
        masks = members(demo.fetch(token, "masks").content)
        assert np.array_equal(cv2.imdecode(np.frombuffer(masks["00000.png"], np.uint8), 0), red)


def test_others_know_nothing_of_a_video(demo, videos):
    token = demo.start(videos[0])
    demo.wait(token)
    wrong = token[:-1] + ("A" if token[-1] != "A" else "B")
    for path in ("events", "frames/0.jpg", "outputs/0"):
        assert demo.client.get(f"/jobs/{wrong}/{path}").status_code == 404
    assert demo.client.delete(f"/jobs/{wrong}").status_code == 404
    assert demo.client.get("/jobs").status_code == 405
    assert token not in demo.client.get("/about").text


def test_cancel_stops_the_work_and_deletes_all(demo, videos):
    demo.network.close_gate()
    first, second = (demo.start(video) for video in videos)
    demo.network.let_pass(1)
    snapshots = demo.events(first)
    assert next(now for now in snapshots if now["done"])["done"] < COUNT
    assert demo.client.delete(f"/jobs/{first}").status_code == 204
    assert demo.client.get(f"/jobs/{first}/frames/0.jpg").status_code == 404
    *_, last = snapshots
    assert last["state"] == "cancelled"
    demo.network.let_pass()
    assert demo.wait(second)["state"] == "done"
    assert demo.left() == [second]
    assert demo.client.delete(f"/jobs/{second}").status_code == 204
    assert demo.left() == []


def test_cancel_in_the_queue(demo, videos):
    demo.network.close_gate()
    first, second = (demo.start(video) for video in videos)
    demo.client.delete(f"/jobs/{second}")
    until(lambda: demo.left() == [first])
    demo.network.let_pass()
    assert demo.wait(first)["state"] == "done"


def test_abandoned_videos_stop(demo, videos, monkeypatch):
    demo.network.close_gate()
    watched, abandoned = (demo.start(video) for video in videos)
    snapshots = demo.events(watched)
    next(snapshots)
    monkeypatch.setattr(jobs_module, "ABANDONED_SECONDS", 0.0)
    until(lambda: demo.left() == [watched])
    assert demo.client.get(f"/jobs/{abandoned}/events").status_code == 404
    demo.network.let_pass()
    *_, last = snapshots
    assert last["state"] == "done"


def test_results_expire(serve, videos):
    with serve(Limits(keep_minutes=30)) as demo:
        token = demo.start(videos[0])
        assert 0 < demo.wait(token)["seconds_kept"] <= 30 * 60
        assert demo.left() == [token]
        demo.jobs.limits = Limits(keep_minutes=1e-6)
        until(lambda: demo.left() == [])
        assert demo.client.get(f"/jobs/{token}/frames/0.jpg").status_code == 404


def test_the_server_stops_in_the_middle_of_things(serve, videos):
    with serve() as demo:
        demo.network.close_gate()
        for video in videos:
            demo.start(video)
        assert len(demo.left()) == 2
    # the fixture checks that nothing is left


def test_too_large(serve, videos):
    with serve(Limits(max_megabytes=0.001)) as demo:
        size = videos[0].stat().st_size
        assert size > 1000
        announced = demo.send(videos[0])
        chunks = (videos[0].read_bytes()[i : i + 500] for i in range(0, size, 500))
        unannounced = demo.client.post("/jobs", content=chunks)
        for answer in (announced, unannounced):
            assert answer.status_code == 413
            assert "larger than 0.001 MB" in answer.json()["error"]
        assert demo.left() == []


def test_too_long(serve, videos):
    with serve(Limits(max_seconds=0.5)) as demo:
        answer = demo.send(videos[0])
        assert answer.status_code == 415
        assert "longer than 0.5 seconds" in answer.json()["error"]
        assert demo.left() == []


def test_too_long_where_the_file_does_not_say_so(serve, tmp_path):
    video = disc_video(tmp_path / "raw.h264", count=40)
    with serve(Limits(max_seconds=0.8)) as demo:
        last = demo.wait(demo.start(video, "raw.h264"))
        assert last["state"] == "failed" and "longer than 0.8 seconds" in last["error"]


def test_too_many_pixels(demo, tmp_path):
    disc = np.zeros((2400, 4096, 3), np.uint8)
    write_video(tmp_path / "wide.mp4", [disc, disc], codec="mpeg4")
    answer = demo.send(tmp_path / "wide.mp4")
    assert answer.status_code == 415 and "4096x2304" in answer.json()["error"]


@pytest.mark.parametrize(
    "kind", ["text", "empty", "noise", "picture", "playlist", "concat", "sdp", "cut", "sound"]
)
def test_what_is_not_a_video(demo, videos, kind):
    playlist = "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{}\n#EXT-X-ENDLIST\n"
    made = {
        "text": b"hello, I am no video\n" * 50,
        "empty": b"",
        "noise": np.random.default_rng(1).bytes(20000),
        "picture": cv2.imencode(".jpg", np.zeros((40, 40, 3), np.uint8))[1].tobytes(),
        "playlist": playlist.format(videos[0]).encode(),
        "concat": f"ffconcat version 1.0\nfile {videos[0]}\n".encode(),
        "sdp": b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
        b"m=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
        "cut": videos[0].read_bytes()[:900],
        "sound": b"RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00"
        b"\x40\x1f\x00\x00\x80\x3e\x00\x00\x02\x00\x10\x00data\x00\x00\x00\x00",
    }
    answer = demo.send(made[kind], "holiday.mp4")
    assert answer.status_code == 415
    message = answer.json()["error"]
    assert "holiday.mp4" in message and "\n" not in message
    assert str(demo.folder) not in message and "Traceback" not in message
    assert demo.left() == []


def test_a_damaged_video_shows_what_was_read(demo, tmp_path):
    whole = disc_video(tmp_path / "whole.ts", count=60).read_bytes()
    last = demo.wait(
        demo.send(whole[: len(whole) * 2 // 3 // 188 * 188 - 100], "cut.ts").json()["id"]
    )
    assert last["state"] == "done" and 0 < last["done"] < 60
    assert last["damage"] and str(demo.folder) not in last["damage"]


@pytest.mark.parametrize(
    "name",
    ["../../../etc/passwd", "..\\..\\boot.ini", "-rf.mp4", "夏 の 犬.mp4", "a" * 3000 + ".mp4",
     "<img src=x onerror=alert(1)>.mp4", 'a"; b\r\nX: y.mp4', "\0.mp4", "", "..", "/",
     "a:b%03d.mp4", ".", "con.mp4", "NUL", "\x1b[31m.mp4"],
)  # fmt: skip
def test_names_are_only_shown(demo, videos, name):
    before = sorted(demo.folder.parent.iterdir())
    token = demo.start(videos[0], name)
    assert demo.left() == [token]
    assert sorted(demo.folder.parent.iterdir()) == before
    shown = demo.wait(token)["name"]
    assert shown and len(shown) <= 60 and shown.isprintable() and not set(shown) & set("/\\")
    answer = demo.fetch(token, "boxes")
    saved = demo.client.get(f"/jobs/{token}/events").text
    assert re.search(r'"name": "[^"/\\<>]*-boxes.csv"', saved) or "\\u" in saved
    assert not any(c in answer.headers["content-disposition"] for c in "/\\<>\r\n")
    assert demo.folder.parent.name not in answer.headers["content-disposition"]


def test_frames_and_assets_are_no_way_out(demo, videos):
    token = demo.start(videos[0])
    demo.wait(token)
    for path in (
        "/assets/..%2fapp.py", "/assets/../app.py", "/assets/page.py", "/assets/%2e%2e/jobs.py",
        f"/jobs/{token}/frames/..%2f..%2fvideo", f"/jobs/{token}/frames/0.txt",
        f"/jobs/{token}/frames/-1.jpg", f"/jobs/{token}/outputs/0", f"/jobs/{token}/outputs/-1",
        f"/jobs/{token}/frames/{'9' * 5000}.jpg", f"/jobs/{token}/outputs/{'9' * 5000}",
        f"/jobs/{token}/frames/%D9%A3.jpg", f"/jobs/{'x' * 5000}/events",
    ):  # fmt: skip
        assert demo.client.get(path).status_code in (404, 405), path


@pytest.mark.parametrize(
    ("name", "options", "status"),
    [
        ("cutout", {"background": "/etc/passwd"}, 422),
        ("cutout", {"background": "red"}, 422),
        ("cutout", {"background": "./blur"}, 422),
        ("matte", {"edges": "frayed"}, 422),
        ("alpha.mp4", {}, 404),
        ("..%2fvideo", {}, 404),
    ],
)
def test_outputs_that_there_are_not(demo, videos, name, options, status):
    token = demo.start(videos[0])
    demo.wait(token)
    answer = demo.client.post(f"/jobs/{token}/outputs/{name}", params=options)
    assert answer.status_code == status and answer.json()["error"]


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "", "127.0.0.1.evil.example"])
def test_other_names_are_refused(demo, host):
    assert demo.client.get("/", headers={"Host": host}).status_code in (400, 403)
    assert demo.client.post("/sample", headers={"Host": host}).status_code in (400, 403)


@pytest.mark.parametrize("host", ["localhost:8765", "127.0.0.1", "[::1]:9", "192.168.1.9:8765"])
def test_own_names_are_not(demo, host):
    assert demo.client.get("/", headers={"Host": host}).status_code == 200


def test_other_sites_can_do_nothing(demo, videos):
    token = demo.start(videos[0])
    demo.wait(token)
    foreign = [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://[::1"},
        {"Origin": demo.url.replace("127.0.0.1", "localhost")},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ]
    for headers in foreign:
        assert demo.send(videos[0], **headers).status_code == 403
        assert demo.client.delete(f"/jobs/{token}", headers=headers).status_code == 403
        made = demo.client.post(f"/jobs/{token}/outputs/matte", headers=headers)
        assert made.status_code == 403
    assert demo.left() == [token]
    ours = {"Origin": demo.url, "Sec-Fetch-Site": "same-origin"}
    assert demo.client.delete(f"/jobs/{token}", headers=ours).status_code == 204


def test_strangers_need_the_token(serve, videos):
    with serve(token="sesame") as demo:
        refused = demo.client.get("/")
        assert refused.status_code == 401 and "?token=" in refused.text
        for path in ("/about", "/assets/demo.js", "/nothing", "/about?token=sesame"):
            assert demo.client.get(path).status_code == 401
        for wrong in ("", "Sesame", "sesame2", "sésame", "%00", "%ff"):
            assert demo.client.get(f"/?token={wrong}").status_code == 401
        assert demo.send(videos[0]).status_code == 401
        assert demo.client.get("/", headers={"Cookie": "3dcseg-0=sesame"}).status_code == 401
        assert demo.left() == []
        welcome = demo.client.get("/?token=sesame")
        assert (welcome.status_code, welcome.headers["location"]) == (303, "/")
        cookie = welcome.headers["set-cookie"].lower()
        assert "httponly" in cookie and "samesite=lax" in cookie
        assert demo.client.get("/").status_code == 200  # the client keeps cookies
        assert demo.wait(demo.start(videos[0]))["state"] == "done"
        foreign = demo.send(videos[0], Origin="https://evil.example")
        assert foreign.status_code == 403


def test_headers_keep_the_page_to_itself(demo):
    for path in ("/", "/about", "/assets/demo.js", "/nothing"):
        headers = demo.client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert "access-control-allow-origin" not in headers


def test_the_page_names_no_other_host_and_offers_all_formats(demo):
    texts = [demo.client.get(path).text for path in ("/", "/assets/demo.css", "/assets/demo.js")]
    addresses = re.findall(r"(?:https?:)?//[\w.-]+\.\w+", "\n".join(texts))
    assert set(addresses) <= {"http://www.w3.org"}  # the name of SVG
    offered = demo.client.get("/about").json()["formats"]
    assert [format["name"] for format in offered] == list(FORMATS)


def test_no_more_than_can_wait(demo, videos, monkeypatch):
    monkeypatch.setattr(jobs_module, "MAX_WAITING", 2)
    demo.network.close_gate()
    first = demo.start(videos[0])
    until(lambda: next(iter(demo.events(first)))["state"] == "running")
    for _ in range(2):
        demo.start(videos[0])
    answer = demo.send(videos[0])
    assert answer.status_code == 503 and "waiting already" in answer.json()["error"]


def test_a_disk_that_is_nearly_full(demo, videos, monkeypatch):
    monkeypatch.setattr(jobs_module, "MIN_FREE_BYTES", shutil.disk_usage(demo.folder).total)
    answer = demo.send(videos[0])
    assert answer.status_code == 503 and "disk" in answer.json()["error"]
    assert demo.left() == []


def begun_upload(demo, num_before: int = 0) -> socket.socket:
    where = urlsplit(demo.url)
    line = socket.create_connection((where.hostname, where.port))
    head = f"POST /jobs?name=x.mp4 HTTP/1.1\r\nHost: {where.netloc}\r\nContent-Length: 100000"
    line.sendall(head.encode() + b"\r\n\r\n" + bytes(5000))
    until(lambda: len(demo.left()) == num_before + 1)
    return line


def test_an_upload_that_breaks_off_leaves_nothing(demo):
    begun_upload(demo).close()
    until(lambda: demo.left() == [])


def test_an_upload_that_stalls_keeps_no_place(demo, monkeypatch):
    with begun_upload(demo) as line:
        monkeypatch.setattr(jobs_module, "ABANDONED_SECONDS", 0.0)
        until(lambda: demo.left() == [])
        line.sendall(bytes(5000))
        line.settimeout(PATIENCE)
        assert line.recv(100).startswith(b"HTTP/1.1 408")


def test_an_upload_that_trickles_is_ended(demo, monkeypatch):
    monkeypatch.setattr(app_module, "ABANDONED_SECONDS", 0.5)
    with begun_upload(demo) as line:
        line.settimeout(PATIENCE)
        with suppress(OSError):  # once it is refused, the line may be closed
            for _ in range(1000):
                line.sendall(b"x")
                time.sleep(0.005)
        assert line.recv(100).startswith(b"HTTP/1.1 408")
    until(lambda: demo.left() == [])


def test_slow_uploads_keep_nobody_out(demo, videos):
    with ExitStack() as stack:
        for num_before in range(20):
            stack.enter_context(begun_upload(demo, num_before))
        assert demo.wait(demo.start(videos[0]))["state"] == "done"


def test_a_client_has_a_few_places_and_others_have_theirs(demo, videos):
    """Addresses of other machines, which only the application can be told here."""
    demo.network.close_gate()

    async def send(address: str) -> int:
        transport = httpx.ASGITransport(demo.app, client=(address, 5000))
        async with httpx.AsyncClient(transport=transport, base_url=demo.url) as client:
            return (await client.post("/jobs", content=videos[0].read_bytes())).status_code

    statuses = [asyncio.run(send("203.0.113.7")) for _ in range(6)]
    assert statuses.count(201) in (4, 5) and set(statuses) == {201, 503}  # one may be at work
    assert asyncio.run(send("203.0.113.8")) == 201


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8::17", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("127.0.0.1", None),
        ("::1", None),
        ("", None),
    ],
)
def test_who_counts_as_one_client(address, client):
    assert client_of((address, 5000)) == client


def lines_to(demo, count: int) -> list[socket.socket]:
    where = urlsplit(demo.url)
    lines = [socket.create_connection((where.hostname, where.port)) for _ in range(count)]
    for line in lines:
        line.settimeout(PATIENCE)
    return lines


def test_a_client_has_only_so_many_connections(demo, monkeypatch):
    monkeypatch.setattr(connections, "client_of", lambda address: "203.0.113.7")
    monkeypatch.setattr(connections, "MAX_OF_CLIENT", 3)
    demo.client.close()
    lines = lines_to(demo, 5)

    def is_closed(line: socket.socket) -> bool:
        line.setblocking(False)
        try:
            return line.recv(1) == b""
        except BlockingIOError:
            return False
        except ConnectionError:
            return True

    until(lambda: sum(map(is_closed, lines)) >= 2)
    assert sum(map(is_closed, lines)) == 2
    for line in lines:
        line.close()


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\nX-Slow: ", b"nothing known"])
def test_a_connection_without_a_request_is_closed(demo, monkeypatch, said):
    monkeypatch.setattr(connections, "IDLE_SECONDS", 0.05)
    (line,) = lines_to(demo, 1)
    line.sendall(said)
    with line, suppress(ConnectionError):
        while line.recv(1000):
            pass


def test_outputs_of_one_video_are_bounded(demo, videos, monkeypatch):
    token = demo.start(videos[0])
    demo.wait(token)
    demo.jobs._maker.submit(gate := threading.Event().wait, PATIENCE)
    path = f"/jobs/{token}/outputs/matte"
    colors = [{"background": f"#{n:06x}"} for n in range(40)]
    answers = [demo.client.post(path, params=color).status_code for color in colors]
    assert answers.count(202) == jobs_module.MAX_MAKING and set(answers) == {202, 503}
    gate.__self__.set()
    demo.wait(token)
    monkeypatch.setattr(jobs_module, "MAX_OUTPUTS", jobs_module.MAX_MAKING)
    assert demo.client.post(path, params=colors[-1]).status_code == 503
    assert demo.client.post(path, params=colors[0]).json()["number"] == 0


@contextmanager
def full_disk(num_bytes: int) -> Iterator[None]:
    """No file of this process grows beyond ``num_bytes``, as if the disk were full."""
    resource = pytest.importorskip("resource", reason="needs POSIX limits")
    _, most = before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_is_full_in_mid_upload(serve, videos):
    with serve(sample=videos[0]) as demo:
        with full_disk(1000):
            answers = demo.send(videos[0]), demo.client.post("/sample")
        for answer in answers:
            assert answer.status_code == 507
            assert answer.json()["error"].startswith("The video could not be stored")
        assert demo.left() == []


def test_a_disk_that_is_full_while_masks_and_outputs_are_written(demo, videos):
    demo.network.close_gate()
    token = demo.start(videos[0])
    with full_disk(10):
        demo.network.let_pass()
        last = demo.wait(token)
    assert last["state"] == "failed"
    assert last["error"].startswith("This computer could not write its files")
    token = demo.start(videos[0])
    demo.wait(token)
    with full_disk(1000):
        number = demo.client.post(f"/jobs/{token}/outputs/overlay").json()["number"]
        output = demo.wait(token)["outputs"][number]
    assert output["state"] == "failed"
    assert not (demo.folder / token / f"output-{number}").exists()
    demo.fetch(token, "overlay")  # and once there is room again it can be made


def test_objects_are_new_after_a_cut_as_in_segment(demo, tmp_path):
    """Two scenes with a bright disc in the same place: two tracks, not one."""
    rng = np.random.default_rng(0)
    scenes = [rng.integers(0, 90, (HEIGHT, WIDTH, 3), np.uint8) for _ in range(2)]
    scenes[1] = 90 - scenes[1] // 3
    for scene in scenes:
        cv2.circle(scene, (60, HEIGHT // 2), 20, (255, 255, 255), -1)
    video = write_video(tmp_path / "cut.mp4", [scenes[i // 12] for i in range(24)])
    result = segment_video(video, tmp_path / "expected", Bright(), SETTINGS, write=["boxes"])
    assert result.cuts == (12,)
    token = demo.start(video)
    demo.wait(token)
    boxes = demo.fetch(token, "boxes").content
    assert boxes == (tmp_path / "expected" / "boxes.csv").read_bytes()
    assert {line.split(b",")[3] for line in boxes.splitlines()[1:]} == {b"1", b"2"}


@pytest.mark.parametrize("size", [(1, 64), (64, 1), (2, 64), (64, 2)])
def test_a_video_of_one_or_two_pixels(demo, tmp_path, size):
    frames = [np.full((*size, 3), 200, np.uint8)] * 3
    write_video(tmp_path / "thin.mov", frames, codec="png", pix_fmt="rgb24")
    token = demo.start(tmp_path / "thin.mov")
    assert demo.wait(token)["state"] == "done"
    assert image(demo.client.get(f"/jobs/{token}/frames/2.jpg").content).shape == (*size, 3)


def test_the_sample(serve, videos):
    with serve(sample=videos[1]) as demo:
        assert demo.client.get("/about").json()["sample"] is True
        token = demo.client.post("/sample").json()["id"]
        last = demo.wait(token)
        assert (last["state"], last["name"]) == ("done", "left.mp4")
    assert Path(videos[1]).exists()


def test_without_a_sample(demo):
    assert demo.client.get("/about").json()["sample"] is False
    assert demo.client.post("/sample").status_code == 404


def test_the_user_of_this_machine_may_name_files_of_it(serve, videos, tmp_path):
    """Who has the token from the terminal; neither another user of it nor another site."""
    with serve(token="sesame", local=True) as demo:
        ask = {"path": str(videos[0])}
        assert demo.client.get("/").status_code == 200
        assert demo.client.get("/about").json()["paths"] is False
        assert demo.client.post("/paths", params=ask).status_code == 403
        assert demo.wait(demo.start(videos[1]))["state"] == "done"  # sending is for all
        assert demo.client.get("/?token=sesame").status_code == 303
        assert demo.client.get("/about").json()["paths"] is True
        foreign = demo.client.post("/paths", params=ask, headers={"Origin": "https://evil.test"})
        assert foreign.status_code == 403
        for text in (str(videos[0]), f'"{videos[0]}"', videos[0].as_uri()):
            answer = demo.client.post("/paths", params={"path": text})
            assert answer.status_code == 201, answer.text
            token = answer.json()["id"]
            last = demo.wait(token)
            assert (last["state"], last["name"], last["done"]) == ("done", "right.mp4", COUNT)
            assert len(members(demo.fetch(token, "masks").content)) == COUNT
            assert not list((demo.folder / token).glob("upload"))
            assert demo.client.delete(f"/jobs/{token}").status_code == 204
        assert videos[0].exists()
        text = tmp_path / "text.mp4"
        text.write_text("no video")
        for wrong, status, needle in (
            (tmp_path / "none.mp4", 404, "is not a file on this computer"),
            (tmp_path, 404, "is not a file"),
            ("", 404, "is not a file"),
            ("a\0b", 404, "is not a file"),
            ("x" * 5000, 404, "is not a file"),
            ("file://[::1", 404, "is not a file"),
            (text, 415, "text.mp4 is not a video"),
        ):
            answer = demo.client.post("/paths", params={"path": str(wrong)})
            assert answer.status_code == status and needle in answer.json()["error"]


def test_others_may_name_no_files(demo, videos):
    assert demo.client.post("/paths", params={"path": str(videos[0])}).status_code == 403
    assert demo.client.get("/about").json()["paths"] is False


def test_a_page_that_others_reach_takes_no_paths_with_the_token_either(serve, videos):
    with serve(token="sesame") as demo:
        demo.client.get("/?token=sesame")
        assert demo.client.get("/about").json()["paths"] is False
        assert demo.client.post("/paths", params={"path": str(videos[0])}).status_code == 403


def test_several_videos_on_one_line_each_with_its_time(demo, videos):
    demo.network.close_gate()
    first, second = (demo.start(video, video.name) for video in videos)
    latest: dict = {}
    demo.network.let_pass(1)
    for now in demo.events(f"{first},nobody,{second}"):
        latest[now["id"]] = now
        if latest.get(second, {}).get("seconds_left"):
            break
    assert latest["nobody"] == {"id": "nobody", "state": "cancelled"}
    assert (latest[first]["state"], latest[second]["state"]) == ("running", "queued")
    assert 0 < latest[first]["seconds_left"] < latest[second]["seconds_left"]
    demo.network.let_pass()
    for now in demo.events(f"{first},{second}"):
        latest[now["id"]] = now
    assert latest[first]["state"] == latest[second]["state"] == "done"
    assert demo.client.get("/jobs/nobody,noone/events").status_code == 404


def test_frames_to_check_are_told(demo, tmp_path):
    """A disc that is much smaller for a while."""
    images = []
    for t in range(30):
        image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        radius = 12 if 10 <= t < 20 else 20
        images.append(cv2.circle(image, (80, HEIGHT // 2), radius, (230, 240, 225), -1))
    last = demo.wait(demo.start(write_video(tmp_path / "v.mp4", images)))
    numbers = [n for first, last in last["doubtful"] for n in range(first, last + 1)]
    assert len(numbers) == 3 and set(numbers) <= {9, 10, 19, 20}
