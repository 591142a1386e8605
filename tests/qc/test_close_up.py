"""Close-ups: the structure asked for, from four sides; corrections as before and after."""

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from pipeline.engine import SerialEngine
from pipeline.errors import NothingToDo
from pipeline.stage import Outcome, run_stage
from pipeline.workspace import Finding, Mask, Provenance, Workspace, write_findings, write_mask
from qc.close_up import ADDED, REMOVED
from qc.close_up_tasks import CloseUpPlan, corrected_from
from qc.gallery import STAGE, GallerySettings
from qc.panels import PanelRule
from qc.png_encoding import digest_inside
from qc.scene import Tile

MODEL = Provenance(origin="model", maker="model:first")
BOX = (slice(3, 13), slice(3, 13), slice(3, 9))
SETTINGS = GallerySettings(
    width_px=900,
    view_height_px=220,
    supersampling=1,
    panels=(PanelRule(title="organs", categories=("organ",)),),
    close_ups=("corrected",),
)


@pytest.fixture
def one_case(workspace: Workspace, add_case: Callable) -> Workspace:
    add_case("s0001")
    return workspace


def add(workspace: Workspace, structure: str, crop: np.ndarray, made: Provenance) -> Mask:
    case = workspace.case("s0001")
    mask = write_mask(workspace.layout, case, structure, crop, made, box=BOX)
    workspace.record_masks([mask])
    return mask


def correct(workspace: Workspace) -> tuple[Mask, Mask]:
    """Take a slab away from a model's liver and add another one beside it."""
    crop = np.zeros((10, 10, 6), bool, order="F")
    crop[2:8, 2:8] = True
    before = add(workspace, "liver", crop, MODEL)
    crop[2:4], crop[8:10, 2:8] = False, True
    made = Provenance(origin="human", maker="person:anna", parents=(before.id,))
    return before, add(workspace, "liver", crop, made)


def draw(workspace: Workspace, **settings: object) -> list[Outcome]:
    changed = SETTINGS.model_copy(update=settings)
    return list(run_stage(STAGE, workspace, changed, SerialEngine()).outcomes)


def near(pixels: np.ndarray, colour: tuple[int, int, int]) -> int:
    """Count pixels of a hue, darker or lighter."""
    hue = np.array(colour) / np.linalg.norm(colour)
    values = pixels.astype(float)
    length = np.linalg.norm(values, axis=2)
    return int(((values @ hue > 0.985 * length) & (length > 90)).sum())


@pytest.mark.rendering
def test_a_correction_is_drawn_before_and_after_and_kept(one_case: Workspace, driver: str) -> None:
    correct(one_case)
    outcomes = draw(one_case)
    assert [o.note for o in outcomes][1] == "close-ups of liver before and after"
    file = one_case.layout.gallery_dir / "changes" / "s0001" / "liver.png"
    pixels = np.asarray(Image.open(file))
    third = pixels.shape[1] // 3
    changes = pixels[106:, 2 * third :]
    assert near(changes, ADDED) > 300
    assert near(changes, REMOVED) > 300
    assert near(pixels[106:, :third], ADDED) == 0
    # From the front the patient's right is on the left: there it was added (large x).
    front = changes[: changes.shape[0] // 2, : third // 2]
    blue = np.argwhere(front[..., 2] > front[..., 0].astype(int) + 60)
    orange = np.argwhere(front[..., 0] > front[..., 2].astype(int) + 60)
    assert blue[:, 1].mean() < orange[:, 1].mean()
    before = file.stat().st_mtime_ns
    assert [o.status for o in draw(one_case)] == ["kept"]
    assert file.stat().st_mtime_ns == before


@pytest.mark.rendering
def test_a_close_up_is_drawn_again_only_when_what_it_shows_changed(
    one_case: Workspace, driver: str
) -> None:
    whole = np.ones((10, 10, 6), bool, order="F")
    add(one_case, "liver", whole, MODEL)
    add(one_case, "pancreas", np.zeros((10, 10, 6), bool), MODEL)
    notes = [outcome.note for outcome in draw(one_case, close_ups=("liver", "pancr*"))]
    assert notes[1] == "close-ups of liver, pancreas"
    file = one_case.layout.gallery_dir / "closeups" / "s0001" / "liver.png"
    first = digest_inside(file)
    assert first is not None
    assert len(draw(one_case, close_ups=("liver", "pancr*"))) == 1
    newer = Provenance(origin="round", maker="round:2", round=2)
    whole[5:] = False
    add(one_case, "liver", whole, newer)
    assert len(draw(one_case, close_ups=("liver",))) == 2
    assert digest_inside(file) != first


def test_only_what_was_asked_for_is_planned(one_case: Workspace) -> None:
    for name in ("liver", "spleen", "pancreas"):
        add(one_case, name, np.ones((10, 10, 6), bool), MODEL)
    record, tile = one_case.record("s0001"), Tile(100, 100, 1)

    def planned(*wanted: str) -> list[str]:
        return [task.structure for task in CloseUpPlan(one_case, wanted, tile).tasks(record)]

    assert planned("corrected") == []
    assert planned("sp*") == ["spleen"]
    said = [
        Finding("odd", "odd", ("pancreas",), {}, "high"),
        Finding("a", "a", ("liver",), {}, "low"),
    ]
    write_findings(one_case.layout, "s0001", "plausibility", said)
    assert planned("flagged") == ["pancreas"]
    with pytest.raises(NothingToDo, match="--close-ups toes: no structure"):
        CloseUpPlan(one_case, ("toes",), tile).check()


def test_a_correction_is_a_human_mask_with_a_parent(one_case: Workspace) -> None:
    before, after = correct(one_case)
    revisions = one_case.record("s0001").masks
    assert corrected_from(after, revisions) == before
    assert corrected_from(before, revisions) is None
    alone = add(one_case, "spleen", np.ones((10, 10, 6), bool), Provenance("human", "person:anna"))
    assert corrected_from(alone, one_case.record("s0001").masks) is None


@pytest.mark.rendering
def test_a_missing_mask_fails_its_close_up_alone(one_case: Workspace, driver: str) -> None:
    before, _ = correct(one_case)
    add(one_case, "spleen", np.ones((10, 10, 6), bool), MODEL)
    one_case.layout.mask("s0001", "liver", before.id).unlink()
    last = draw(one_case, close_ups=("corrected", "spleen"))[-1]
    assert last.status == "failed"
    assert "liver before and after" in last.note
    assert last.figures == {"close_ups": 1}


def test_what_is_no_picture_bears_no_digest(tmp_path) -> None:
    path = tmp_path / "x.png"
    assert digest_inside(path) is None
    path.write_bytes(b"\x89PNG\r\n\x1a\nrubbish")
    assert digest_inside(path) is None
