import pytest

from pipeline.anatomy import find_class_map, shipped_configs, vertebra_number


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("vertebrae_C1", -6),
        ("vertebrae_C7", 0),
        ("vertebrae_T1", 1),
        ("vertebrae_T12", 12),
        ("vertebrae_L1", 13),
        ("vertebrae_L5", 17),
        ("vertebrae_S1", None),
        ("vertebrae_", None),
        ("vertebrae_T", None),
        ("rib_left_1", None),
        ("liver", None),
    ],
)
def test_numbers_go_down_the_spine(name: str, number: int | None) -> None:
    assert vertebra_number(name) == number


def test_the_24_vertebrae_of_the_class_map_have_24_numbers_in_a_row() -> None:
    names = find_class_map("masksmith_104", shipped_configs()).names
    numbers = sorted(n for name in names if (n := vertebra_number(name)) is not None)
    assert numbers == list(range(-6, 18))
