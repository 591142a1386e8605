from pipeline.bootstrap.known_masks import KnownMask, KnownMasks, made_from_digest


def known(*made: tuple[str, str, str]) -> KnownMasks:
    return KnownMasks(tuple(KnownMask(*each) for each in made))


BOTH = ("liver", "spleen")
FIRST = [("1", "a", "liver"), ("1", "a", "spleen")]


def test_complete_masks_are_kept_and_parts_are_not() -> None:
    assert known(*FIRST).holds("a", BOTH)
    assert not known(FIRST[0]).holds("a", BOTH)
    assert not known(*FIRST).holds("b", BOTH)
    assert not known().holds("a", ())


def test_what_something_newer_stands_above_is_not_kept() -> None:
    changed = known(*FIRST, ("2", "b", "liver"))
    assert not changed.holds("a", BOTH)
    assert changed.replaced_by("a") == "b"
    assert changed.replaced_by("b") is None
    assert known(*FIRST).replaced_by("a") is None


def test_masks_that_came_back_are_kept_and_say_the_same_when_they_are_finished() -> None:
    part = known(*FIRST, ("2", "b", "liver"), ("3", "a", "liver"))
    assert not part.holds("a", BOTH)
    assert part.replaced_by("a") == "b"
    assert known(*part_of(part), ("3", "a", "spleen")).holds("a", BOTH)


def part_of(known_masks: KnownMasks) -> list[tuple[str, str, str]]:
    return [(mask.created, mask.made_from, mask.structure) for mask in known_masks.masks]


def test_what_is_replaced_is_no_part_of_what_masks_are_made_from() -> None:
    sources = {"model_card": "x", "weights": "w"}
    assert made_from_digest({**sources, "replaces": "y"}) == made_from_digest(sources)
    assert made_from_digest({**sources, "weights": "v"}) != made_from_digest(sources)
