import pytest

from pipeline.anatomy.structure import (
    LATERALITY_SNOMED,
    Structure,
    is_snomed_code,
    mirrored_name,
    side_in_name,
    structure_problems,
)


def structure(**changes):
    fields = {
        "name": "kidney_left",
        "value": 2,
        "part": "organs",
        "category": "organ",
        "side": "left",
        "mirror": "kidney_right",
        "colour": (200, 100, 50),
        "snomed": "64033007",
        "neighbours": ("spleen",),
    }
    return Structure(**{**fields, **changes})


def test_a_sound_structure_has_no_problems():
    assert structure_problems(structure()) == []


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"value": 0}, "value is 0, expected 1..65535 (0 is background)"),
        ({"value": 65536}, "value is 65536, expected 1..65535"),
        ({"colour": (0, 256, 0)}, "colour is (0, 256, 0), expected 3 numbers in 0..255"),
        ({"colour": (1, 2)}, "colour is (1, 2), expected 3 numbers"),
        ({"snomed": "64033008"}, "snomed is '64033008', which is no SNOMED CT code"),
        ({"neighbours": ("kidney_left",)}, "own neighbour"),
        ({"side": "right"}, "side is right, but the name says left"),
        ({"side": None}, "side is None, but the name says left"),
        ({"name": "a/b", "side": None}, "without '/'"),
        ({"name": " ", "side": None}, "without '/' or outer blanks"),
    ],
)
def test_each_problem_is_named(changes, sentence):
    problems = structure_problems(structure(**changes))
    assert len(problems) == 1
    assert sentence in problems[0]


@pytest.mark.parametrize(
    ("name", "side", "mirrored"),
    [
        ("rib_left_3", "left", "rib_right_3"),
        ("hip_right", "right", "hip_left"),
        ("leftover", None, None),
        ("left_or_right", None, None),
    ],
)
def test_sides_are_read_from_whole_words(name, side, mirrored):
    assert side_in_name(name) == side
    assert mirrored_name(name) == mirrored


@pytest.mark.parametrize("code", ["78961009", "10200004", *LATERALITY_SNOMED.values()])
def test_published_snomed_codes_pass_the_check_digit(code):
    assert is_snomed_code(code)


@pytest.mark.parametrize("code", ["78961008", "79861009", "1234", "abcdefg", "", "0" * 8])
def test_mistyped_snomed_codes_fail(code):
    assert not is_snomed_code(code)
