"""Close-ups on demand: drawn once, anew for other masks, in a process that may die."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import MasksmithError, MissingDependency
from pipeline.volume import write_file_atomically
from pipeline.workspace import Mask, Provenance, Workspace, write_mask
from qc.close_up import CloseUpTask
from qc.close_up_on_demand import CloseUpDesk
from qc.gallery import GallerySettings
from qc.png_encoding import digest_inside, encode_png

BOX = (slice(3, 13), slice(3, 13), slice(3, 9))


def pretend_to_draw(task: CloseUpTask) -> Path:
    """Write a picture whose one grey says which process drew it, and what it was made from."""
    pixels = np.full((4, 4, 3), os.getpid() % 251, np.uint8)
    write_file_atomically(task.file, encode_png(pixels, {"digest": task.digest}))
    with (task.file.parent / "drawn.txt").open("a") as log:
        log.write(f"{os.getpid()} {task.structure} {task.driver}\n")
    return task.file


def crash(task: CloseUpTask) -> Path:
    os._exit(11)


def add(workspace: Workspace, structure: str, size: int) -> Mask:
    crop = np.zeros((10, 10, 6), bool, order="F")
    crop[:size] = True
    made = Provenance(origin="human", maker="person:anna")
    mask = write_mask(workspace.layout, workspace.case("s0001"), structure, crop, made, box=BOX)
    workspace.record_masks([mask])
    return mask


@pytest.fixture
def one_case(workspace: Workspace, add_case: Callable) -> Workspace:
    add_case("s0001")
    add(workspace, "liver", 4)
    return workspace


@pytest.fixture
def desk() -> Iterator[CloseUpDesk]:
    made = CloseUpDesk(GallerySettings(), lambda: "plain", pretend_to_draw)
    yield made
    made.close()


def drawn(workspace: Workspace) -> list[list[str]]:
    log = workspace.layout.gallery_dir / "closeups" / "s0001" / "drawn.txt"
    return [line.split() for line in log.read_text().splitlines()] if log.exists() else []


def test_it_is_drawn_once_and_anew_for_another_mask_or_neighbour(
    one_case: Workspace, desk: CloseUpDesk
) -> None:
    for _ in range(2):
        desk.see_to(one_case, "s0001", "liver")
    assert [line[1:] for line in drawn(one_case)] == [["liver", "plain"]]
    picture = one_case.layout.gallery_dir / "closeups" / "s0001" / "liver.png"
    first = digest_inside(picture)
    add(one_case, "liver", 5)
    desk.see_to(one_case, "s0001", "liver")
    second = digest_inside(picture)
    add(one_case, one_case.class_map["liver"].neighbours[0], 2)
    desk.see_to(one_case, "s0001", "liver")
    assert len({first, second, digest_inside(picture)}) == 3
    processes = {line[0] for line in drawn(one_case)}
    assert len(drawn(one_case)) == 3
    assert len(processes) == 1
    assert str(os.getpid()) not in processes
    with Image.open(picture) as image:
        assert image.getpixel((0, 0))[0] == int(processes.pop()) % 251


def test_without_a_driver_it_says_what_to_install_and_tries_again_later(
    one_case: Workspace, desk: CloseUpDesk
) -> None:
    def none() -> str:
        raise MissingDependency("no graphics driver; install one: sudo apt-get install x")

    desk.find_driver = none
    with pytest.raises(MissingDependency, match="install one"):
        desk.see_to(one_case, "s0001", "liver")
    assert drawn(one_case) == []
    desk.find_driver = lambda: "plain"
    desk.see_to(one_case, "s0001", "liver")
    assert len(drawn(one_case)) == 1


def test_a_crash_of_the_driver_takes_only_its_own_process_along(
    one_case: Workspace, desk: CloseUpDesk
) -> None:
    desk.draw = crash
    with pytest.raises(MasksmithError, match=r"s0001: the close-up of liver .*exit code 11"):
        desk.see_to(one_case, "s0001", "liver")
    desk.draw = pretend_to_draw
    desk.see_to(one_case, "s0001", "liver")
    assert len(drawn(one_case)) == 1
