"""Work that goes on while other work does: reading ahead of the network, writing behind it.

Each has one thread, so that order is kept, and a bound, so that memory is. Decoding, encoding and
the network compute outside of Python's lock.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

ItemT = TypeVar("ItemT")
_END = object()


@contextmanager
def ahead(items: Iterable[ItemT], limit: int) -> Generator[Iterator[ItemT]]:
    """The items, taken while those before them are in use: at most ``limit`` of them wait.

    An error comes in its place, after the items before it. On leaving, no item is being taken.
    """
    iterator = iter(items)
    with _thread() as pool:
        coming = deque(pool.submit(next, iterator, _END) for _ in range(limit))

        def taken() -> Iterator[ItemT]:
            while (item := coming.popleft().result()) is not _END:
                coming.append(pool.submit(next, iterator, _END))
                yield item  # type: ignore[misc]
                del item  # else it is held until the next one is there

        try:
            yield taken()
        finally:
            for future in coming:
                future.cancel()


@contextmanager
def behind(work: Callable[[ItemT], None], limit: int) -> Generator[Callable[[ItemT], None]]:
    """A function that leaves an item to ``work`` and returns; waits while ``limit`` of them wait.

    What ``work`` raises is raised by the next call, or on leaving; it does not see the items that
    follow. On leaving, also by an error, all other items are done.
    """
    waiting: deque[Future[None]] = deque()
    failed = False

    def do(item: ItemT) -> None:
        nonlocal failed
        if failed:
            return
        try:
            work(item)
        except BaseException:
            failed = True
            raise

    def later(item: ItemT) -> None:
        while waiting and (len(waiting) >= limit or waiting[0].done()):
            waiting.popleft().result()
        waiting.append(pool.submit(do, item))

    with _thread() as pool:
        yield later
        while waiting:
            waiting.popleft().result()


@contextmanager
def _thread() -> Generator[ThreadPoolExecutor]:
    """One that has ended when the block is left; a second Ctrl-C drops what has not begun."""
    pool = ThreadPoolExecutor(1)
    try:
        yield pool
    finally:
        try:
            pool.shutdown()
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)
            raise
