"""What is meant by a point, a box or a number, and what is left of a frame."""

from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from threedcseg.errors import InputError
from threedcseg.outputs.choice import Chooser, Chosen, ObjectChoice, Pick, only_chosen
from threedcseg.outputs.formats import SegmentedFrame
from threedcseg.outputs.regions import number_map, objects_of
from threedcseg.video.frame import Frame
from threedcseg.video.part import WHOLE, Extent

WIDTH, HEIGHT = 160, 100


def segmented(index: int, *boxes: tuple[int, int, int, int], specks=()) -> SegmentedFrame:
    """Objects 1, 2, ... are rectangles ``x, y, width, height``, with a soft border."""
    numbers = np.zeros((HEIGHT, WIDTH), np.int32)
    probabilities = np.zeros((HEIGHT, WIDTH), np.float32)
    for number, (x, y, width, height) in enumerate(boxes, 1):
        probabilities[y - 1 : y + height + 1, x - 1 : x + width + 1] = 0.3
        probabilities[y : y + height, x : x + width] = 0.9
        numbers[y : y + height, x : x + width] = number
    for x, y in specks:
        probabilities[y, x] = 0.9
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    frame = Frame(index, image, f"{index:05d}", Fraction(index, 10))
    return SegmentedFrame(frame, probabilities, probabilities > 0.5, objects_of(numbers))


def source(num_frames: int | None = None, extent: Extent = WHOLE) -> SimpleNamespace:
    return SimpleNamespace(
        width=WIDTH,
        height=HEIGHT,
        rate=Fraction(10),
        num_frames=num_frames,
        extent=extent,
        path=Path("v.mp4"),
    )


def choose(choice: ObjectChoice, *frames: SegmentedFrame, num_frames: int | None = None) -> Chosen:
    chooser = Chooser(choice, source(num_frames))
    for frame in frames:
        chooser(frame, begins_shot=frame is frames[0])
    return chooser.chosen()


TWO = (20, 30, 30, 20), (100, 50, 40, 30)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("20,30", (20, 30)),
        ("0.5,0.4", (80, 40)),
        ("50%,40%", (80, 40)),
        ("1.0,1.0", (159, 99)),
        ("1,1", (1, 1)),
        ("0,0,0.5,1", (0, 0, 80, 100)),
        ("10,20,500,60", (10, 20, 160, 60)),
    ],
)
def test_places_in_pixels_and_shares(text, place):
    assert Pick.parse(text).in_pixels(WIDTH, HEIGHT) == place


@pytest.mark.parametrize(
    ("text", "frame", "time"),
    [("1,1", None, None), ("1,1@#3", 3, 0.3), ("1,1@1.5", None, 1.5), ("1,1@1:02.5", None, 62.5)],
)
def test_times(text, frame, time):
    pick = Pick.parse(text)
    assert (pick.frame, pick.seconds(source())) == (frame, pytest.approx(time))


def test_times_count_from_the_beginning_also_in_a_part():
    part = Extent(first=20, before=Fraction(2))
    assert Pick.parse("1,1@#25").seconds(source(extent=part)) == Fraction(1, 2)
    assert Pick.parse("1,1@2.5").seconds(source(extent=part)) == Fraction(1, 2)
    with pytest.raises(InputError, match="before the first frame"):
        Chooser(ObjectChoice(keep=("1,1@1.9",)), source(extent=part))


@pytest.mark.parametrize(
    "text", ["", "x", "1,2,3", "-1,5", "1,2@", "1,2@soon", "2@#3", "50%,4", "120%,4%", "9,9,3,3"]
)
def test_what_cannot_be_understood(text):
    with pytest.raises(InputError) as error:
        ObjectChoice(keep=(text,)).check()
    assert error.value.remedy and "\n" not in str(error.value)


def test_points_boxes_and_numbers_mean_objects():
    frames = [segmented(0, TWO[0]), segmented(1, *TWO)]
    for text, number in (("25,35", 1), ("25,35@#0", 1), ("110,60@#1", 2), ("110,60@0.1", 2)):
        assert choose(ObjectChoice(keep=(text,)), *frames) == Chosen((number,), ())
    assert choose(ObjectChoice(keep=("0,0,160,100@#1",)), *frames).keep == (1, 2)
    assert choose(ObjectChoice(drop=("90,40,125,100@#1",)), *frames) == Chosen(None, (2,))
    assert choose(ObjectChoice(keep=("2",), drop=("1",)), *frames) == Chosen((2,), (1,))


def test_the_frame_of_a_time_is_the_one_that_is_shown_then():
    frames = [segmented(0, TWO[0]), segmented(1, (60, 30, 30, 20)), segmented(2, (100, 30, 30, 20))]
    for text in ("25,35@0.09", "70,35@0.1", "110,35@0.29"):
        assert choose(ObjectChoice(keep=(text,)), *frames).keep == (1,)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("10,40", "no object at 10,40 in frame 0; nearest: object 1, 10 pixels to the right"),
        ("75,5@#1", "no object at 75,5 in frame 1; nearest: object 1, 36 pixels below and to the"),
        ("0,0,30,90@#1", "no object lies by half in 0,0,30,90 in frame 1; nearest: object 1, 6 "),
        ("25,35@#2", "no object at 25,35 in frame 2, nor anywhere in it: name a frame"),
        ("160,5", "160,5 is outside of the frame: x goes from 0 to 159, y to 99"),
        ("5,5@#3", "5,5@#3 is after the end: 3 frames are read, 0.30 seconds"),
        ("5,5@0.3", "5,5@0.3 is after the end"),
        ("3", "no object 3: they are 1 to 2; --objects shows them"),
    ],
)
def test_nothing_there_is_one_line(text, said):
    frames = [segmented(0, TWO[0]), segmented(1, *TWO), segmented(2)]
    with pytest.raises(InputError) as error:
        choose(ObjectChoice(drop=(text,)), *frames)
    assert str(error.value).startswith(said)


def test_a_time_far_after_the_end_is_refused_before_the_first_frame():
    with pytest.raises(InputError, match="after the end"):
        choose(ObjectChoice(keep=("5,5@9",)), num_frames=3)


def test_small_objects_of_a_shot_are_dropped_unless_they_were_pointed_at():
    frames = [segmented(0, TWO[0], (100, 50, 10, 10)), segmented(1, TWO[0])]
    assert choose(ObjectChoice(drop_small=0.1), *frames) == Chosen(None, (2,))
    assert choose(ObjectChoice(drop_small=0.05), *frames) == Chosen(None, ())
    assert choose(ObjectChoice(keep=("2",), drop_small=0.1), *frames) == Chosen((2,), ())
    with pytest.raises(InputError, match="drop_small 2"):
        ObjectChoice(drop_small=2).check()


def test_what_is_dropped_goes_with_its_border_and_specks():
    frame = segmented(0, *TWO, specks=[(10, 40), (150, 90)])
    left = only_chosen(frame, Chosen((2,), ()))
    assert [item.track for item in left.objects] == [2]
    assert not left.mask[:, :80].any() and not left.probabilities[:, :80].any()
    assert np.array_equal(left.mask[:, 80:], frame.mask[:, 80:])
    assert np.array_equal(left.probabilities[:, 80:], frame.probabilities[:, 80:])
    other = only_chosen(frame, Chosen(None, (2,)))
    assert np.array_equal(other.mask | left.mask, frame.mask)


def test_a_frame_without_what_is_kept_is_empty_and_one_without_what_is_dropped_stays():
    frame = segmented(0, TWO[0], specks=[(150, 90)])
    assert not only_chosen(frame, Chosen((2,), ())).mask.any()
    assert not only_chosen(segmented(0, specks=[(9, 9)]), Chosen((2,), ())).probabilities.any()
    assert np.array_equal(only_chosen(frame, Chosen(None, (2,))).mask, frame.mask)


def test_number_maps_hold_the_objects():
    objects = segmented(0, *TWO).objects
    again = objects_of(number_map(objects, HEIGHT, WIDTH))
    assert [(o.track, o.x, o.y, o.area) for o in again] == [(1, 20, 30, 600), (2, 100, 50, 1200)]
