"""What was drawn is what was saved: strokes replayed in numpy, in the file's own voxel order.

Nothing of the page but its log is used: millimetres of every point, the tool, the locked values.
"""

from collections.abc import Callable
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from pipeline.volume import Grid
from pipeline.workspace import Case, Provenance, Verdict, Workspace, digest_of_ct, write_case
from pipeline.workspace.mask_file import write_label_map_masks
from tests.fixtures.workbench import drag, open_editor, wait_until_saved

WORLD_AXES = {"axial": (0, 1, 2), "coronal": (0, 2, 1), "sagittal": (1, 2, 0)}
SHAPE, SPACING = (48, 40, 30), (1.5, 1.5, 2.0)


def grid_of(kind: str) -> Grid:
    """Give the grid of a file: its axes turned, permuted, unlike in size or oblique."""
    codes = {"LPS": "LPS", "permuted": "SPL", "RAS": "RAS"}.get(kind, "LAS")
    spacing = (0.8, 0.9, 5.0) if kind == "anisotropic" else SPACING
    turned = nib.orientations.axcodes2ornt(tuple(codes))
    affine, shape = np.eye(4), [0, 0, 0]
    affine[:3, :3] = 0
    for axis, (world, sign) in enumerate(turned.astype(int)):
        affine[world, axis] = sign * spacing[world]
        shape[axis] = SHAPE[world]
    affine[:3, 3] = (17.0, -30.0, 400.0)
    if kind == "oblique":
        angle = np.radians(11)
        turn = np.array(
            [[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]]
        )
        tilt = np.array([[np.cos(0.1), -np.sin(0.1), 0], [np.sin(0.1), np.cos(0.1), 0], [0, 0, 1]])
        affine[:3, :3] = turn @ tilt @ affine[:3, :3]
    return Grid(tuple(shape), affine)


def add_case(workspace: Workspace, kind: str) -> Case:
    """Store a case with a liver to draw, a locked spleen and an unlocked stomach in its way."""
    grid = grid_of(kind)
    ct = np.random.default_rng(3).integers(-100, 300, grid.shape).astype(np.int16)
    case = Case(f"case-{kind.lower()}", grid, digest_of_ct(ct, grid))
    write_case(workspace.layout, case, ct)
    workspace.record_case(case)
    values = {name: workspace.class_map[name].value for name in ("liver", "spleen", "stomach")}
    labels = np.zeros(grid.shape, workspace.class_map.dtype, order="F")
    a, b, c = (size // 2 for size in grid.shape)
    labels[a - 4 : a + 4, b - 4 : b + 4, c - 4 : c + 4] = values["liver"]
    labels[a + 5 : a + 9, b - 3 : b + 9, c - 5 : c + 5] = values["spleen"]
    labels[a - 9 : a - 5, b - 9 : b + 3, c - 5 : c + 5] = values["stomach"]
    masks = write_label_map_masks(
        workspace.layout, case, labels, workspace.class_map, Provenance("model", "model:truth")
    )
    workspace.record_masks(masks)
    [spleen] = [mask.id for mask in masks if mask.structure == "spleen"]
    workspace.record_verdicts([Verdict(case.id, "accept", "eva", "spleen", spleen)])
    return case


class Replay:
    """Draws the logged strokes once more, on the array as it lies in the file."""

    def __init__(self, grid: Grid, ct: np.ndarray, labels: np.ndarray) -> None:
        self.ct, self.labels = ct, labels.copy()
        self.inverse = np.linalg.inv(grid.affine)
        self.spacing = np.sqrt((grid.affine[:3, :3] ** 2).sum(0))
        world_of = nib.io_orientation(grid.affine)[:, 0].astype(int)
        self.axis_of_world = [int(np.flatnonzero(world_of == world)[0]) for world in range(3)]
        self.done: list[np.ndarray] = []
        self.undone: list[np.ndarray] = []

    def run(self, log: list[dict[str, Any]]) -> np.ndarray:
        for entry in log:
            getattr(self, entry["kind"])(entry)
        return self.labels

    def undo(self, _: dict[str, Any]) -> None:
        self.undone.append(self.labels)
        self.labels = self.done.pop()

    def redo(self, _: dict[str, Any]) -> None:
        self.done.append(self.labels)
        self.labels = self.undone.pop()

    def stroke(self, entry: dict[str, Any]) -> None:
        before, self.labels = self.labels, self.labels.copy()
        voxels = []
        for point, hu in zip(entry["mm"], entry["hu"], strict=True):
            exact = self.inverse[:3, :3] @ point + self.inverse[:3, 3]
            voxel = np.round(exact).astype(int)
            assert np.abs(exact - voxel).max() < 1e-3
            assert self.ct[tuple(voxel)] == hu
            voxels.append(voxel)
        for start, end in zip([voxels[0], *voxels[:-1]], voxels, strict=True):
            self.segment(entry, start, end)
        if not np.array_equal(before, self.labels):
            self.done.append(before)
            self.undone.clear()

    def segment(self, entry: dict[str, Any], start: np.ndarray, end: np.ndarray) -> None:
        options = entry["options"]
        u, v, w = (self.axis_of_world[world] for world in WORLD_AXES[entry["plane"]])
        at = np.indices(self.labels.shape)
        point = np.stack([(at[axis] - start[axis]) * self.spacing[axis] for axis in (u, v)])
        line = np.array([(end[axis] - start[axis]) * self.spacing[axis] for axis in (u, v)])
        length = float(line @ line)
        along = np.clip(np.tensordot(line, point, 1) / length, 0, 1) if length else 0 * point[0]
        away = point - line[:, None, None, None] * along
        half = (options["slices"] - 1) // 2
        inside = (away**2).sum(0) <= options["radiusMm"] ** 2 + 1e-9
        inside &= np.abs(at[w] - end[w]) <= half
        if options["erase"]:
            self.labels[inside & (self.labels == options["value"])] = 0
            return
        inside &= ~np.isin(self.labels, entry["locked"])
        if options["hu"]:
            inside &= (self.ct >= options["hu"]["lowHu"]) & (self.ct <= options["hu"]["highHu"])
        self.labels[inside] = options["value"]


def draw_everything(page: Any) -> None:
    """Use pencil, eraser, limit of density, planes, 1, 3 and 5 slices, undo and redo."""
    for plane in ("#axial", "#coronal", "#sagittal"):
        box = page.locator(plane).bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        side = min(box["width"], box["height"]) / 6
        drag(page, [(x - side, y), (x + side, y - side / 3)])
        page.keyboard.press("5")
        drag(page, [(x - side / 2, y), (x, y + side / 2)], button="right")
        page.keyboard.press("t")
        page.keyboard.press("]")
        drag(page, [(x - side, y + side), (x + side, y + side / 2)])
        page.keyboard.press("t")
        page.keyboard.press("1")
        drag(page, [(x + side, y - side), (x - side, y - side / 2)])
        for keys in ("Control+z", "Control+z", "Control+Shift+Z", "[", "3"):
            page.keyboard.press(keys)


@pytest.mark.parametrize(
    "kinds",
    [
        ("permuted", "oblique"),
        pytest.param(("RAS", "LPS", "anisotropic"), marks=pytest.mark.slow),
    ],
    ids="-".join,
)
def test_no_voxel_differs(
    workspace: Workspace,
    kinds: tuple[str, ...],
    serve: Callable[..., Any],
    sign_in: Callable[..., Any],
) -> None:
    for kind in kinds:
        add_case(workspace, kind)
    server = serve(workspace.path)
    page = sign_in(server)
    page.set_viewport_size({"width": 960, "height": 620})
    for kind in kinds:
        case_id = f"case-{kind.lower()}"
        before = workspace.label_map(case_id).copy()
        open_editor(page, server, case_id, "liver")
        page.evaluate("window.__strokes.length = 0")
        draw_everything(page)
        log = page.evaluate("window.__strokes")
        page.evaluate("window.__editor.leaveCase()")
        wait_until_saved(page)
        wanted = Replay(workspace.case(case_id).grid, workspace.ct(case_id), before).run(log)
        saved = Workspace.open(workspace.path).in_force(case_id)
        assert saved["liver"].origin == "human"
        for name in ("liver", "spleen", "stomach"):
            value = workspace.class_map[name].value
            difference = workspace.mask_array(saved[name]) ^ (wanted == value)
            assert int(difference.sum()) == 0, (kind, name)
        assert int((wanted != before).sum()) > 500
        strokes = [entry for entry in log if entry["kind"] == "stroke"]
        assert {entry["plane"] for entry in strokes} == set(WORLD_AXES), kind
        assert {entry["options"]["slices"] for entry in strokes} == {1, 3, 5}
        assert any(entry["options"]["hu"] for entry in strokes)
        assert any(entry["options"]["erase"] for entry in strokes)


def test_the_replay_can_tell_a_difference() -> None:
    """The oracle itself: a shifted point or another radius gives other voxels."""
    grid = grid_of("LPS")
    ct, labels = np.zeros(grid.shape, np.int16), np.zeros(grid.shape, np.uint8)
    options = {"value": 5, "erase": False, "radiusMm": 4, "slices": 3, "hu": None}

    def run(voxel: tuple[int, int, int], **more: Any) -> np.ndarray:
        mm = (grid.affine @ [*voxel, 1])[:3].tolist()
        entry = {"kind": "stroke", "plane": "axial", "locked": [], "mm": [mm], "hu": [0]}
        return Replay(grid, ct, labels).run([entry | {"options": options | more}])

    first = run((20, 20, 10))
    assert int((first == 5).sum()) == 3 * 21
    assert not np.array_equal(first, run((21, 20, 10)))
    assert not np.array_equal(first, run((20, 20, 10), radiusMm=5))
