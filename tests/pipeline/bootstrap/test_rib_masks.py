"""A card whose model finds all ribs in one: they become 24 masks, numbered by the vertebrae."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.anatomy import ClassMap, vertebra_number
from pipeline.phantom import Body, BodySettings
from pipeline.stage import Outcome
from pipeline.workspace import (
    Case,
    Provenance,
    Workspace,
    digest_of_ct,
    read_findings,
    write_case,
    write_mask,
)

Run = Callable[..., list[Outcome]]
VERTEBRAE = [f"vertebrae_T{n}" for n in range(6, 13)] + ["vertebrae_L1", "vertebrae_L2"]


@pytest.fixture
def body(phantom: Callable[[BodySettings], Body]) -> Body:
    """The lower half of a chest: without vertebrae nobody could say which rib is the first."""
    return phantom(
        BodySettings(
            seed=4,
            spacing_mm=(3.0, 3.0, 3.0),
            field_of_view=(240.0, 440.0),
            in_plane_mm=(330.0, 250.0),
        )
    )


@pytest.fixture
def case(workspace: Workspace, body: Body) -> Case:
    ct = np.asfortranarray(body.ct)
    made = Case("s0001", body.grid, digest_of_ct(ct, body.grid))
    write_case(workspace.layout, made, ct)
    workspace.record_case(made)
    return made


@pytest.fixture
def models(
    case: Case,
    body: Body,
    phantom_class_map: ClassMap,
    write_card: Callable[..., Path],
    write_prediction: Callable[..., Path],
    tmp_path: Path,
) -> dict[str, str]:
    """A model of vertebrae and one of ribs; the latter has the higher priority."""
    spine = dict(enumerate(VERTEBRAE, start=1))
    write_card("verse", priority=10, labels=spine)
    write_card("ribseg", priority=20, labels={1: "ribs"}, postprocess="split_ribs",
               without_target=["ribs"])  # fmt: skip
    labels = np.zeros(body.labels.shape, np.uint8, order="F")
    for value, name in spine.items():
        labels[body.labels == phantom_class_map[name].value] = value
    write_prediction("verse/s0001.nii.gz", labels, body.grid)
    write_prediction("ribseg/s0001.nii.gz", all_ribs(body, phantom_class_map), body.grid)
    return {name: str(tmp_path / "predictions" / name) for name in ("verse", "ribseg")}


def all_ribs(body: Body, class_map: ClassMap) -> np.ndarray:
    ribs = [s.value for s in class_map if s.name.startswith("rib_")]
    return np.asfortranarray(np.isin(body.labels, ribs).astype(np.uint8))


def right_share(workspace: Workspace, body: Body) -> float:
    """Give the share of the ribs' voxels whose mask in force is that of their own rib."""
    labels = workspace.label_map("s0001")
    ribs = [s.value for s in workspace.class_map if s.name.startswith("rib_")]
    inside = np.isin(body.labels, ribs)
    return float((labels[inside] == body.labels[inside]).mean())


def test_ribs_are_told_apart_after_the_vertebrae_were_found(
    workspace: Workspace, body: Body, models: dict[str, str], run_bootstrap: Run
) -> None:
    outcomes = run_bootstrap(weights=models)
    assert [o.figures["model"] for o in outcomes[:2]] == ["verse", "ribseg"]
    assert right_share(workspace, body) > 0.97
    masks = workspace.in_force("s0001")
    ribs = {name: mask for name, mask in masks.items() if name.startswith("rib_")}
    assert len(ribs) == 24  # those out of view are empty: the model looked
    assert ribs["rib_left_2"].voxels == 0
    spine = {m.id for name, m in masks.items() if vertebra_number(name) is not None and m.voxels}
    assert set(ribs["rib_left_9"].provenance.parents) == spine
    assert ribs["rib_left_9"].provenance.maker == "model:ribseg"
    assert [o.status for o in run_bootstrap(weights=models)] == ["kept", "kept"]


def test_without_vertebrae_a_finding_says_that_the_numbers_are_a_guess(
    workspace: Workspace, models: dict[str, str], run_bootstrap: Run
) -> None:
    run_bootstrap(weights=models, models=["ribseg"])
    kinds = [f.kind for f in read_findings(workspace.layout, "s0001")["model:ribseg"]]
    assert "rib_number_ambiguous" in kinds
    run_bootstrap(weights=models)
    kinds = [f.kind for f in read_findings(workspace.layout, "s0001")["model:ribseg"]]
    assert "rib_number_ambiguous" not in kinds


def test_ribs_are_numbered_anew_when_vertebrae_were_corrected(
    workspace: Workspace, case: Case, body: Body, models: dict[str, str], run_bootstrap: Run
) -> None:
    run_bootstrap(weights=models)
    wrong = workspace.in_force("s0001")["rib_left_9"].id
    # A person moves all numbers up by one: T7 is where the model said T8.
    masks = workspace.in_force("s0001")
    moved = [
        write_mask(
            workspace.layout,
            case,
            new,
            workspace.mask_crop(masks[old]),
            Provenance("human", "person:anna", parents=(masks[old].id,)),
            box=masks[old].box,
        )
        for new, old in zip(["vertebrae_T5", *VERTEBRAE], VERTEBRAE, strict=False)
        if masks[old].voxels
    ]
    empty = np.zeros((1, 1, 1), bool)
    last = write_mask(
        workspace.layout, case, VERTEBRAE[-1], empty, Provenance("human", "person:anna"),
        box=(slice(0, 1),) * 3,
    )  # fmt: skip
    workspace.record_masks([*moved, last])
    outcomes = {o.figures["model"]: o.status for o in run_bootstrap(weights=models)[:2]}
    assert outcomes == {"verse": "kept", "ribseg": "done"}
    labels = workspace.label_map("s0001")
    assert workspace.in_force("s0001")["rib_left_8"].id != wrong
    ninth = body.labels == workspace.class_map["rib_left_9"].value
    assert (labels[ninth] == workspace.class_map["rib_left_8"].value).mean() > 0.9


def test_a_file_per_structure_and_values_the_card_does_not_name(
    workspace: Workspace,
    case: Case,
    body: Body,
    models: dict[str, str],
    write_prediction: Callable[..., Path],
    run_bootstrap: Run,
) -> None:
    labels = all_ribs(body, workspace.class_map)
    labels[2:4, 2:4, 2:4] = 9
    write_prediction("ribseg/s0001.nii.gz", labels, case.grid)
    outcome = run_bootstrap(weights=models)[1]
    assert outcome.figures["unmatched"] == {"value 9": 8}
    first = workspace.in_force("s0001")["rib_right_10"].voxels
    folder = Path(models["ribseg"])
    (folder / "s0001.nii.gz").unlink()
    write_prediction("ribseg/s0001/ribs.nii.gz", labels == 1, case.grid)
    assert run_bootstrap(weights=models)[1].status == "done"
    assert workspace.in_force("s0001")["rib_right_10"].voxels == first > 0


def test_an_empty_prediction_gives_empty_ribs(
    workspace: Workspace,
    case: Case,
    models: dict[str, str],
    write_prediction: Callable[..., Path],
    run_bootstrap: Run,
) -> None:
    write_prediction("ribseg/s0001.nii.gz", np.zeros(case.grid.shape, np.uint8), case.grid)
    outcome = run_bootstrap(weights=models)[1]
    assert outcome.note.startswith("ribseg: no voxel labelled")
    assert workspace.in_force("s0001")["rib_left_9"].voxels == 0
