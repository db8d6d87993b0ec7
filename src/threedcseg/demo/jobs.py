"""Videos in a queue: one is segmented at a time, each belongs to who sent it, all are deleted."""

import logging
import secrets
import shutil
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path
from typing import Any

from threedcseg.demo.job import FoundObject, Job, Output
from threedcseg.demo.outputs import KEPT, make_output
from threedcseg.demo.previews import MOST_OBJECTS, PreviewWriter
from threedcseg.demo.uploads import Limits, check_video, safe_stem
from threedcseg.errors import InputError
from threedcseg.inference.predictor import Network
from threedcseg.inference.settings import Settings
from threedcseg.outputs.formats import SegmentedFrame
from threedcseg.outputs.objects import object_color
from threedcseg.outputs.rendering import Rendering
from threedcseg.segmentation.video import segment_to_folder

MAX_WAITING = 8
MAX_RECEIVING = 32  # at once; slow ones keep nobody else out
MAX_OF_CLIENT = 4  # videos on their way or waiting
MAX_MAKING = 12  # outputs of one video at once
MAX_OUTPUTS = 60  # of one video in all
STOP_SECONDS = 1.0
LISTED = 24  # objects on the page
MIN_FREE_BYTES = 1_000_000_000
ABANDONED_SECONDS = 30.0  # a page that reloads, or a phone that sleeps for a moment, comes back

log = logging.getLogger(__name__)


class Busy(Exception):
    """There is no room for one more video at the moment."""


class _Cancelled(Exception):
    pass


class Jobs:
    """All videos of a server, in ``folder``, which is removed in the end."""

    def __init__(
        self, network: Network, folder: Path, limits: Limits, settings: Settings | None = None
    ) -> None:
        self.limits = limits
        self._network = network
        self._settings = settings or Settings.recommended_by(network)
        self._folder = folder
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()
        self._num_working = 0
        self._speed: float | None = None  # frames a second, of the latest video
        # Outputs do not wait for other people's videos: they need no network and are quick.
        self._segmenter = ThreadPoolExecutor(1, "segmenter")
        self._maker = ThreadPoolExecutor(1, "maker")

    def receive(
        self, name: str, num_bytes: int, client: str | None = None, path: Path | None = None
    ) -> Job:
        """A place for a video of about ``num_bytes``; raises `Busy` where there is none.

        Write it to ``job.video``, then call `submit`; or it is the file at ``path``, and stays.
        """
        with self._lock:
            coming = [job for job in self._jobs.values() if job.state in ("receiving", "queued")]
            receiving = [job for job in coming if job.state == "receiving"]
            self._check_queue()
            if len(receiving) >= MAX_RECEIVING:
                raise Busy(f"{len(receiving)} videos are on their way already. Try again later.")
            if client and sum(job.client == client for job in coming) >= MAX_OF_CLIENT:
                raise Busy(f"{MAX_OF_CLIENT} videos of yours are waiting already.")
            self._check_disk(num_bytes + sum(job.num_bytes for job in receiving))
            token = secrets.token_urlsafe(16)
            job = Job(token, self._folder / token, name, num_bytes, client, path)
            self._jobs[token] = job
        (job.folder if path else job.video.parent).mkdir(parents=True)
        return job

    def submit(self, job: Job) -> None:
        """Check what came and put it in the queue; raises `InputError` and forgets it if bad.

        So does `Busy`, where the queue has become full meanwhile.
        """
        try:
            with self._at_work(job):
                job.facts = check_video(job.video, job.name, self.limits)
            with self._lock:
                self._check_queue()
                job.seen = time.monotonic()
                job.state = "queued"
        except (InputError, Busy):
            self.discard(job)
            raise
        self._segmenter.submit(self._segment, job)

    def get(self, token: str) -> Job | None:
        """The job of that id."""
        return self._jobs.get(token)

    def before(self, job: Job) -> list[Job]:
        """The videos that are segmented before this one is."""
        if job.state != "queued":
            return []
        earlier = takewhile(lambda other: other is not job, list(self._jobs.values()))
        return [other for other in earlier if other.state in ("queued", "running")]

    def _seconds_left(self, job: Job) -> float | None:
        """Until it is done, with those before it, at the pace of now; None if not known."""
        frames = 0
        for each in [*self.before(job), job]:
            if each.facts is None or each.facts.num_frames is None:
                return None
            frames += max(each.facts.num_frames - each.num_done, 0)
        running = next((each for each in self._jobs.values() if each.state == "running"), None)
        speed = (running and running.speed) or self._speed
        return frames / speed if speed else None

    def make(self, job: Job, format: str, rendering: Rendering, drop: tuple[int, ...] = ()) -> int:
        """Have an output made, unless it is already; returns its number in ``job.outputs``.

        Of objects with the numbers in ``drop`` nothing is in it.

        Raises `Busy` where there are too many.
        """
        with self._lock:
            for number, output in enumerate(job.outputs):
                made = output.format, output.rendering, output.drop
                same = made == (format, rendering, drop)
                if same and output.state != "failed":
                    return number
            if sum(output.state == "making" for output in job.outputs) >= MAX_MAKING:
                raise Busy(f"{MAX_MAKING} files are being made of this video. Wait for one.")
            if len(job.outputs) >= MAX_OUTPUTS:
                raise Busy(f"{MAX_OUTPUTS} files were made of this video. Send it anew for more.")
            self._check_disk(0)
            output = Output(format, rendering, drop)
            job.outputs.append(output)
            number = len(job.outputs) - 1
        self._maker.submit(self._make, job, output, job.folder / f"output-{number}")
        return number

    def discard(self, job: Job) -> None:
        """Stop and forget a video, and delete all there is of it."""
        with self._lock:
            self._jobs.pop(job.id, None)
            job.cancelled = True
            idle = job.workers == 0
        if idle:
            shutil.rmtree(job.folder, ignore_errors=True)

    def tidy(self) -> None:
        """Discard what has been kept long enough, and what nobody waits for any more."""
        now, waited = time.monotonic(), ABANDONED_SECONDS
        for job in list(self._jobs.values()):
            if job.finished is not None:
                if now - job.finished > 60 * self.limits.keep_minutes and job.is_settled:
                    self.discard(job)
            elif not job.watchers and now - job.seen > waited:
                self.discard(job)

    def close(self) -> None:
        """Stop everything and delete everything; waits for the threads, but not for long.

        A network cannot be stopped in the middle of a clip: `is_working` then is still true.
        """
        for job in list(self._jobs.values()):
            self.discard(job)
        self._segmenter.shutdown(wait=False, cancel_futures=True)
        self._maker.shutdown(wait=False, cancel_futures=True)
        until = time.monotonic() + STOP_SECONDS
        while self.is_working and time.monotonic() < until:
            time.sleep(0.02)
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def is_working(self) -> bool:
        """Whether a thread is at work on a video."""
        return self._num_working > 0

    def _check_queue(self) -> None:
        waiting = sum(job.state == "queued" for job in self._jobs.values())
        if waiting >= MAX_WAITING:
            raise Busy(f"{waiting} videos are waiting already. Try again in a few minutes.")

    def _check_disk(self, num_bytes: int) -> None:
        """Raise `Busy` without room for videos of ``num_bytes`` and what is made of them."""
        if shutil.disk_usage(self._folder).free < 4 * num_bytes + MIN_FREE_BYTES:
            raise Busy("The disk of this computer is nearly full. Try again later.")

    @contextmanager
    def watching(self, job: Job) -> Iterator[None]:
        """While a page looks at the job it is not abandoned."""
        job.watchers += 1
        try:
            yield
        finally:
            job.watchers -= 1
            job.seen = time.monotonic()

    def snapshot(self, job: Job) -> dict[str, Any]:
        """All that the page shows of a job, ready for JSON."""
        facts, now = job.facts, time.monotonic()
        total = job.num_done if job.state == "done" else facts and facts.num_frames
        coming = job.state in ("queued", "running")
        kept = 60 * self.limits.keep_minutes - (now - job.finished) if job.finished else None
        return {
            "name": job.name,
            "state": "cancelled" if job.cancelled else job.state,
            "before": len(self.before(job)),
            "width": facts and facts.width,
            "height": facts and facts.height,
            "rate": facts and facts.rate,
            "total": total,
            "done": job.num_done,
            "speed": job.speed,
            "seconds": job.seconds,
            "seconds_left": self._seconds_left(job) if coming else None,
            "seconds_kept": kept,
            "stays": job.path is not None,
            "error": job.error,
            "doubtful": [(each.first, each.last) for each in job.doubtful],
            "damage": job.damage,
            "objects": _listed(job),
            "outputs": [
                {
                    "state": output.state,
                    "share": min(output.num_frames / max(job.num_done, 1), 1),
                    "name": output.path and f"{safe_stem(job.name)}-{output.path.name}",
                    "bytes": output.num_bytes,
                    "error": output.error,
                }
                for output in list(job.outputs)
            ],
        }

    @contextmanager
    def _at_work(self, job: Job) -> Iterator[None]:
        """Its folder stays until the block ends; an error in the block is the job's."""
        with self._lock:
            job.workers += 1
            self._num_working += 1
        try:
            yield
        finally:
            with self._lock:
                job.workers -= 1
                self._num_working -= 1
                last = job.cancelled and job.workers == 0
            if last:
                shutil.rmtree(job.folder, ignore_errors=True)

    def _segment(self, job: Job) -> None:
        if job.cancelled:
            return
        with self._at_work(job):
            job.state, job.started = "running", time.monotonic()
            write_preview = PreviewWriter(job.previews)

            def sink(result: SegmentedFrame) -> None:
                if job.cancelled:
                    raise _Cancelled
                self.limits.check_seconds(float(result.frame.time))
                write_preview(result)
                _note_objects(job, result)
                job.num_done += 1

            try:
                with job.open() as source:
                    result = segment_to_folder(
                        source,
                        job.name,
                        job.results,
                        self._network,
                        self._settings,
                        write=KEPT,
                        also=[sink],
                    )
                job.doubtful = result.doubtful
                job.damage = str(result.damage) if result.damage else None
            except _Cancelled:
                return
            except Exception as error:
                job.error = _in_plain_words(error, job)
            job.finished = time.monotonic()
            job.state = "failed" if job.error else "done"
            self._speed = job.speed or self._speed

    def _make(self, job: Job, output: Output, folder: Path) -> None:
        def on_frame() -> None:
            if job.cancelled:
                raise _Cancelled
            output.num_frames += 1

        if job.cancelled:
            return
        with self._at_work(job):
            try:
                with job.open() as source:
                    output.path = make_output(
                        source,
                        job.results,
                        folder,
                        output.format,
                        output.rendering,
                        on_frame,
                        output.drop,
                    )
                output.num_bytes = output.path.stat().st_size
                output.state = "ready"
            except _Cancelled:
                return
            except Exception as error:
                output.error = _in_plain_words(error, job)
                output.state = "failed"
                shutil.rmtree(folder, ignore_errors=True)


def _in_plain_words(error: Exception, job: Job) -> str:
    if isinstance(error, InputError):
        return str(error)
    log.error("%s could not be done", job.name, exc_info=error)
    if isinstance(error, OSError) and error.strerror:
        return f"This computer could not write its files: {error.strerror.lower()}."
    if isinstance(error, MemoryError) or "out of memory" in str(error).lower():
        return "This video needs more memory than there is here: scale it down."
    return "Something went wrong; the window in which 3dcseg runs says what."


def _note_objects(job: Job, result: SegmentedFrame) -> None:
    for item in result.objects:
        if item.track <= MOST_OBJECTS:
            found = job.objects.setdefault(item.track, FoundObject(job.num_done))
            found.last = job.num_done
            found.pixels += item.area


def _listed(job: Job) -> list[dict[str, Any]]:
    """The objects that the page lists: those that are seen, not those that flicker up."""
    found = sorted(list(job.objects.items()), key=lambda item: -item[1].pixels)[:LISTED]
    least = 0.01 * found[0][1].pixels if found else 0
    return [
        {"number": number, "first": each.first, "last": each.last, "color": object_color(number)}
        for number, each in sorted(found)
        if each.pixels >= least
    ]
