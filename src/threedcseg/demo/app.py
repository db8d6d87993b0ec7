"""The page and the addresses behind it. Nothing of anybody else's: no scripts, fonts or hosts."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from threedcseg.demo.connections import client_of
from threedcseg.demo.guard import Guard, is_known
from threedcseg.demo.job import Job
from threedcseg.demo.jobs import ABANDONED_SECONDS, Busy, Jobs
from threedcseg.demo.uploads import local_file, shown_name
from threedcseg.errors import InputError
from threedcseg.outputs.formats import FORMATS, Format
from threedcseg.outputs.rendering import Rendering

EVENT_SECONDS = 0.15
TIDY_SECONDS = 2.0
MAX_WATCHED = 40  # videos of one page
MIN_RATE = 20_000  # bytes a second, of an upload that takes longer than `ABANDONED_SECONDS`
_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript"}


def create_app(
    jobs: Jobs,
    about: Mapping[str, Any],
    *,
    host: str = "127.0.0.1",
    token: str | None = None,
    local: bool = False,
    sample: Path | None = None,
    is_stopping: Callable[[], bool] = lambda: False,
) -> ASGIApp:
    """The demo as an ASGI application; it closes ``jobs`` when it is shut down.

    ``about``: what the page says of the server ("model", "device"). ``host``: where it is served,
    the name that browsers may call it by besides localhost, this machine's name and any address in
    numbers. ``token``: what all must know who want in; None asks for nothing. ``local``: only this
    machine reaches it; then whoever knows the token may name files that lie here, and others, of
    whom a machine may have many, may send theirs. ``sample``: a video to try. ``is_stopping``:
    asked, so that pages which listen do not hold up the end.
    """
    addresses = _Addresses(jobs, about, local, sample, is_stopping)
    app = Starlette(
        routes=[
            Route("/", addresses.page),
            Route("/about", addresses.tell_about),
            Route("/assets/{name}", addresses.asset),
            Route("/jobs", addresses.post_video, methods=["POST"]),
            Route("/sample", addresses.post_sample, methods=["POST"]),
            Route("/jobs/{id}", addresses.delete, methods=["DELETE"]),
            Route("/jobs/{ids}/events", addresses.events),
            Route("/paths", addresses.post_path, methods=["POST"]),
            Route("/jobs/{id}/frames/{number}.{kind}", addresses.preview),
            Route("/jobs/{id}/outputs/{format}", addresses.post_output, methods=["POST"]),
            Route("/jobs/{id}/outputs/{number}", addresses.output),
        ],
        exception_handlers={HTTPException: _as_json},
        lifespan=addresses.lifespan,
    )
    return Guard(app, host, token, needed=not local)


@dataclass(frozen=True)
class _Addresses:
    """What answers at each address; the fields are as for `create_app`."""

    jobs: Jobs
    about: Mapping[str, Any]
    local: bool
    sample: Path | None
    is_stopping: Callable[[], bool]

    async def page(self, request: Request) -> Response:
        return _asset("page.html")

    async def asset(self, request: Request) -> Response:
        return _asset(request.path_params["name"])

    async def tell_about(self, request: Request) -> Response:
        limits = vars(self.jobs.limits)
        formats = [  # special ones are for annotators and researchers
            {"name": each.name, "summary": each.summary, "special": each.needs_objects}
            for each in _offered()
        ]
        offers = {"sample": self.sample is not None, "paths": self.local and is_known(request)}
        return JSONResponse({**self.about, **limits, **offers, "formats": formats})

    async def post_video(self, request: Request) -> Response:
        name = shown_name(request.query_params.get("name", ""))
        announced = _number(request.headers.get("content-length", ""))
        num_bytes = self.jobs.limits.max_bytes if announced is None else announced
        _checked(self.jobs.limits.check_bytes, num_bytes, status=413)
        job = self._received(name, num_bytes, request)
        now = asyncio.get_running_loop().time
        try:
            received, latest = 0, now() + ABANDONED_SECONDS
            with job.video.open("wb") as file:
                async with asyncio.timeout_at(latest) as deadline:
                    async for chunk in request.stream():
                        if job.cancelled:
                            raise TimeoutError
                        job.seen = time.monotonic()
                        received += len(chunk)
                        _checked(self.jobs.limits.check_bytes, received, status=413)
                        await run_in_threadpool(file.write, chunk)
                        in_time = latest + received / MIN_RATE
                        deadline.reschedule(min(now() + ABANDONED_SECONDS, in_time))
        except TimeoutError:
            self.jobs.discard(job)
            raise HTTPException(408, "The video came too slowly.") from None
        except ClientDisconnect:
            self.jobs.discard(job)
            return Response(status_code=400)
        except OSError as error:
            raise self._not_stored(job, error) from None
        except BaseException:
            self.jobs.discard(job)
            raise
        return await self._submitted(job)

    async def post_sample(self, request: Request) -> Response:
        if (sample := self.sample) is None:
            raise HTTPException(404, "There is no example here.")
        job = self._received(sample.name, sample.stat().st_size, request)
        try:
            await run_in_threadpool(lambda: job.video.write_bytes(sample.read_bytes()))
        except OSError as error:
            raise self._not_stored(job, error) from None
        return await self._submitted(job)

    async def post_path(self, request: Request) -> Response:
        if not (self.local and is_known(request)):
            raise HTTPException(403, "This page takes no paths.")
        try:
            path = await run_in_threadpool(local_file, request.query_params.get("path", ""))
        except InputError as error:
            raise HTTPException(404, str(error)) from None
        with _room():
            job = self.jobs.receive(shown_name(path.name), 0, path=path)
        return await self._submitted(job)

    async def events(self, request: Request) -> Response:
        """Of one video, or of several: a browser keeps few connections."""
        ids = request.path_params["ids"].split(",")[:MAX_WATCHED]
        found = {id: job for id in ids if (job := self.jobs.get(id)) is not None}
        if not found:
            raise HTTPException(404, "This video is no longer here.")

        async def stream() -> AsyncIterator[str]:
            last, quiet = dict[str, Any](), 0.0
            for id in set(ids) - set(found):
                yield _event({"id": id, "state": "cancelled"})
            with ExitStack() as watching:
                for job in found.values():
                    watching.enter_context(self.jobs.watching(job))
                while not self.is_stopping():
                    # Before the snapshots, which then say the last word.
                    settled = all(job.is_settled for job in found.values())
                    for id, job in found.items():
                        snapshot = {"id": id, **self.jobs.snapshot(job)}
                        shown = {**snapshot, "seconds": 0, "seconds_left": 0, "seconds_kept": 0}
                        shown["speed"] = None  # changes all the time; a frame is news enough
                        if shown != last.get(id) or quiet >= 1:
                            yield _event(snapshot)
                            last[id] = shown
                    if settled:
                        return
                    quiet = 0.0 if quiet >= 1 else quiet + EVENT_SECONDS
                    await asyncio.sleep(EVENT_SECONDS)

        return StreamingResponse(stream(), media_type="text/event-stream")

    async def preview(self, request: Request) -> Response:
        job = self._job(request)
        number, kind = _number(request.path_params["number"]), request.path_params["kind"]
        if number is None or number >= job.num_done or kind not in ("jpg", "png"):
            raise HTTPException(404, "There is no such frame.")
        return FileResponse(job.previews / f"{number:05d}.{kind}")

    async def post_output(self, request: Request) -> Response:
        job = self._job(request)
        name = request.path_params["format"]
        background = request.query_params.get("background", "#000000")
        if name not in [each.name for each in _offered()]:
            raise HTTPException(404, "There is no such output.")
        if not re.fullmatch("#[0-9a-fA-F]{6}|blur|gray", background):  # never the name of a file
            raise HTTPException(422, "The colour must look like #00b140.")
        edges = request.query_params.get("edges", "hard")
        rendering = Rendering(edges, background)  # type: ignore[arg-type]
        _checked(rendering.check, status=422)
        drop = request.query_params.get("drop", "")
        if not re.fullmatch(r"([0-9]{1,3}(,[0-9]{1,3}){0,254})?", drop):
            raise HTTPException(422, "Objects to leave out must be numbers with commas between.")
        left_out = tuple(sorted({int(number) for number in drop.split(",") if number}))
        if job.state != "done":
            raise HTTPException(409, "This video is not finished.")
        with _room():
            return JSONResponse({"number": self.jobs.make(job, name, rendering, left_out)}, 202)

    async def output(self, request: Request) -> Response:
        job = self._job(request)
        number = _number(request.path_params["number"])
        outputs = self.jobs.snapshot(job)["outputs"]
        if number is None or number >= len(outputs) or outputs[number]["state"] != "ready":
            raise HTTPException(404, "There is no such file.")
        path = job.outputs[number].path
        assert path is not None
        return FileResponse(path, filename=outputs[number]["name"])

    async def delete(self, request: Request) -> Response:
        await run_in_threadpool(self.jobs.discard, self._job(request))
        return Response(status_code=204)

    @asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        tidying = asyncio.create_task(_tidy(self.jobs))
        try:
            yield
        finally:
            tidying.cancel()
            await run_in_threadpool(self.jobs.close)

    def _job(self, request: Request) -> Job:
        job = self.jobs.get(request.path_params["id"])
        if job is None:
            raise HTTPException(404, "This video is no longer here.")
        return job

    def _received(self, name: str, num_bytes: int, request: Request) -> Job:
        with _room():
            return self.jobs.receive(name, num_bytes, client_of(request.client))

    def _not_stored(self, job: Job, error: OSError) -> HTTPException:
        self.jobs.discard(job)
        return HTTPException(507, f"The video could not be stored: {error.strerror}.")

    async def _submitted(self, job: Job) -> Response:
        try:
            with _room():
                await run_in_threadpool(self.jobs.submit, job)
        except InputError as error:
            raise HTTPException(415, str(error)) from None
        return JSONResponse({"id": job.id}, 201)


async def _as_json(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code)


def _event(facts: dict[str, Any]) -> str:
    return f"data: {json.dumps(facts)}\n\n"


def _asset(name: str) -> Response:
    kind = name.rpartition(".")[2]
    if name not in ("page.html", "demo.css", "demo.js"):
        raise HTTPException(404, "There is no such page.")
    text = (resources.files("threedcseg.demo") / "assets" / name).read_text("utf-8")
    return Response(text, media_type=_TYPES[kind])


def _offered() -> list[Format]:
    """The formats that can be made with what is installed."""
    return [format for format in FORMATS.values() if format.is_installed]


def _number(text: str) -> int | None:
    """A number of a file, a frame or bytes, where it is one; so long ones there are not."""
    return int(text) if re.fullmatch("[0-9]{1,15}", text) else None


@contextmanager
def _room() -> Iterator[None]:
    try:
        yield
    except Busy as busy:
        raise HTTPException(503, str(busy)) from None


def _checked(check: Callable[..., None], *values: Any, status: int) -> None:
    try:
        check(*values)
    except InputError as error:
        raise HTTPException(status, str(error)) from None


async def _tidy(jobs: Jobs) -> None:
    while True:
        await asyncio.sleep(TIDY_SECONDS)
        await run_in_threadpool(jobs.tidy)
