"""Reading ahead and writing behind: order, bounds, errors."""

import gc
import threading
import weakref
from threading import Event

import pytest

from threedcseg.pipelining import ahead, behind


def test_ahead_keeps_the_order():
    with ahead(range(100), 3) as items:
        assert list(items) == list(range(100))
    with ahead([], 3) as items:
        assert list(items) == []


def test_ahead_takes_no_more_than_the_limit():
    taken, reached = [], Event()

    def items():
        for number in range(100):
            taken.append(number)
            if number == 4:
                reached.set()
            yield number

    with ahead(items(), 4) as iterator:
        assert next(iterator) == 0
        assert reached.wait(60)  # one is in use, four wait
    assert taken == [0, 1, 2, 3, 4]


def test_an_error_ahead_comes_in_its_place():
    def items():
        yield 1
        yield 2
        raise OSError("damaged")

    found = []
    with pytest.raises(OSError, match="damaged"), ahead(items(), 8) as iterator:
        for item in iterator:
            found.append(item)
    assert found == [1, 2]


def test_after_ahead_the_source_can_be_closed():
    def items():
        yield from range(1000)

    source = items()
    with pytest.raises(KeyboardInterrupt), ahead(source, 2) as iterator:
        next(iterator)
        raise KeyboardInterrupt
    source.close()  # ValueError while a thread is in it


class Thing:
    pass


def test_ahead_holds_no_item_that_is_done_with():
    with ahead((Thing() for _ in range(10)), 1) as items:
        first = weakref.ref(next(items))
        next(items)
        gc.collect()
        assert first() is None


def test_behind_keeps_the_order_and_ends_with_the_block():
    done = []
    with behind(done.append, 3) as later:
        for number in range(100):
            later(number)
    assert done == list(range(100))


def test_behind_holds_no_more_than_the_limit():
    going, may_go, handed = Event(), Event(), []

    def work(number):
        going.set()
        assert may_go.wait(60)

    def hand():
        with behind(work, 3) as later:
            for number in range(10):
                later(number)
                handed.append(number)

    thread = threading.Thread(target=hand)
    thread.start()
    assert going.wait(60)
    thread.join(0.2)
    held = list(handed)
    may_go.set()
    thread.join(60)
    assert len(held) <= 3 and handed == list(range(10))


def test_an_error_behind_is_raised_and_nothing_follows_it():
    done = []

    def work(number):
        if number == 3:
            raise OSError("disk full")
        done.append(number)

    with pytest.raises(OSError, match="disk full"), behind(work, 2) as later:
        for number in range(100):
            later(number)
    assert done == [0, 1, 2]


def test_what_was_handed_over_before_an_interrupt_is_done():
    done = []
    with pytest.raises(KeyboardInterrupt), behind(done.append, 8) as later:
        for number in range(5):
            later(number)
        raise KeyboardInterrupt
    assert done == [0, 1, 2, 3, 4]


def test_no_thread_is_left():
    before = threading.active_count()
    with ahead(range(5), 2) as items, behind(print, 2) as later:
        for item in items:
            later(item)
    assert threading.active_count() == before
