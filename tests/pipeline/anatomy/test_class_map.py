import pickle
from dataclasses import replace

import numpy as np
import pytest

from pipeline.anatomy import ClassMap, ClassMapError, Structure
from pipeline.errors import BadInput


def middle(name, value, **more):
    return Structure(name, value, None, None, None, None, (90, 120, value % 256), None, **more)


def pair(name, left_value, right_value):
    left, right = f"{name}_left", f"{name}_right"
    colour = (left_value % 256, 80, 160)
    return (
        Structure(left, left_value, "trunk", "organ", "left", right, colour, None),
        Structure(right, right_value, "trunk", "organ", "right", left, colour, None),
    )


@pytest.fixture
def trunk():
    spleen = middle("spleen", 7, neighbours=("kidney_left", "liver"))
    return ClassMap("trunk", (*pair("kidney", 3, 2), spleen, middle("liver", 5)))


def test_names_values_and_parts_keep_their_order(trunk):
    assert trunk.names == ("kidney_left", "kidney_right", "spleen", "liver")
    assert trunk.values == (3, 2, 7, 5)
    assert trunk.parts == ("trunk",)
    assert len(trunk) == 4
    assert [s.name for s in trunk] == list(trunk.names)
    assert [s.name for s in trunk.in_part("trunk")] == ["kidney_left", "kidney_right"]
    assert trunk.in_part("head") == ()


def test_looking_up_by_name_and_by_value_are_inverse(trunk):
    for structure in trunk:
        assert trunk[structure.name] is structure
        assert trunk.by_value(structure.value) is structure
        assert trunk.by_value(np.uint8(structure.value)) is structure
        assert structure.name in trunk
    assert "pancreas" not in trunk
    assert trunk.names_by_value == {3: "kidney_left", 2: "kidney_right", 7: "spleen", 5: "liver"}


def test_an_unknown_name_suggests_a_near_one(trunk):
    with pytest.raises(ClassMapError, match=r"'kidny_left' is not in .*'trunk'.* kidney_left"):
        trunk["kidny_left"]


def test_an_unknown_value_names_the_range(trunk):
    with pytest.raises(ClassMapError, match=r"value 9 stands for nothing .* 2 to 7"):
        trunk.by_value(9)


@pytest.mark.parametrize(
    ("value", "dtype"), [(255, np.uint8), (256, np.uint16), (65535, np.uint16)]
)
def test_the_voxel_type_is_the_smallest_that_holds_every_value(value, dtype):
    assert ClassMap("m", (middle("a", 1), middle("b", value))).dtype == dtype


def test_a_subset_is_renumbered_in_the_maps_order_and_forgets_who_is_gone(trunk):
    some = trunk.subset(["liver", "spleen", "kidney_right"])
    assert some.names == ("kidney_right", "spleen", "liver")
    assert some.values == (1, 2, 3)
    assert some["kidney_right"].mirror is None
    assert some["spleen"].neighbours == ("liver",)
    assert some.name == "trunk_3"
    assert trunk.subset(["liver"], name="one").name == "one"


def test_a_subset_refuses_unknown_names_and_nothing_at_all(trunk):
    with pytest.raises(ClassMapError, match="'heart' is not in"):
        trunk.subset(["heart"])
    with pytest.raises(ClassMapError, match="no structures"):
        trunk.subset([])


def test_the_digest_follows_names_and_values_only(trunk):
    painted = ClassMap("other", tuple(replace(s, colour=(1, 2, 3)) for s in trunk))
    assert painted.digest == trunk.digest
    assert len(trunk.digest) == 64
    renumbered = (*trunk.structures[:3], replace(trunk["liver"], value=6))
    assert ClassMap("trunk", renumbered).digest != trunk.digest


def test_class_maps_are_frozen_hashable_and_can_be_sent_to_workers(trunk):
    same = ClassMap("trunk", trunk.structures)
    assert {trunk, same} == {trunk}
    assert pickle.loads(pickle.dumps(trunk)) == trunk
    with pytest.raises(AttributeError):
        trunk.name = "changed"


@pytest.mark.parametrize(
    ("structures", "sentence"),
    [
        ((), "has no structures"),
        ((middle("a", 1), middle("a", 2)), "structure 'a' is listed 2 times"),
        ((middle("a", 1), middle("b", 1)), "value 1 is given to a and b"),
        ((middle("a", 0),), "structure 'a': value is 0"),
        ((middle("a", 1, neighbours=("b",)),), "structure 'a': neighbour 'b' is not in the map"),
        (pair("hip", 1, 2)[:1], "structure 'hip_left': mirror 'hip_right' is not in the map"),
        (
            (replace(pair("hip", 1, 2)[0]), replace(pair("hip", 1, 2)[1], mirror=None)),
            "structure 'hip_left': mirror is 'hip_right', whose own mirror is 'None'",
        ),
        (
            (
                Structure("a", 1, None, None, "left", "b", (1, 1, 1), None),
                Structure("b", 2, None, None, "left", "a", (1, 1, 1), None),
            ),
            "structure 'a': side is left and the side of its mirror 'b' is left",
        ),
    ],
)
def test_contradictions_are_refused_and_named(structures, sentence):
    with pytest.raises(ClassMapError) as caught:
        ClassMap("bad", structures)
    assert sentence in str(caught.value)
    assert "class map 'bad'" in str(caught.value)
    assert isinstance(caught.value, BadInput)


def test_many_problems_are_told_at_once_but_not_endlessly():
    with pytest.raises(ClassMapError, match="; and 3 more"):
        ClassMap("bad", tuple(replace(middle(f"s{i}", 1 + i), value=-i) for i in range(8)))
