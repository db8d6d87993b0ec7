import pickle

from threedcseg.errors import InputError


def test_what_and_remedy_are_fields_and_one_line_of_text():
    error = InputError("a\nb.mp4 is empty", "download it again")
    assert (error.what, error.remedy) == ("a\nb.mp4 is empty", "download it again")
    assert str(error) == "a b.mp4 is empty: download it again"
    assert str(InputError("no input: give one")) == "no input: give one"


def test_both_survive_a_process():
    error = pickle.loads(pickle.dumps(InputError("frame 3 is damaged", "leave it out")))
    assert (error.what, error.remedy) == ("frame 3 is damaged", "leave it out")
