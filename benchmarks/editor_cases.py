"""Cases of any size for the editor's benchmark."""

from pathlib import Path

import numpy as np

from pipeline.volume import Grid
from pipeline.workspace import Case, Provenance, Workspace, digest_of_ct, write_case
from pipeline.workspace.mask_file import write_label_map_masks


def make_workspace(folder: Path, shape: tuple[int, int, int], cases: int) -> Workspace:
    """Make cases with a large liver and a spleen."""
    workspace = Workspace.create(folder / "workspace")
    generator = np.random.default_rng(0)
    affine = np.diag([0.75, 0.75, 1.0, 1.0])
    inside = tuple(slice(size // 10, -(size // 10)) for size in shape[:2])
    noise = generator.integers(-40, 40, shape, dtype=np.int16)
    for number in range(cases):
        ct = np.full(shape, -1000, np.int16, order="F")
        ct[inside] = 40 + np.roll(noise, number, 0)[inside]
        case = Case(f"s{number:04d}", Grid(shape, affine), digest_of_ct(ct, Grid(shape, affine)))
        write_case(workspace.layout, case, ct)
        workspace.record_case(case)
        labels = np.zeros(shape, workspace.class_map.dtype, order="F")
        i, j, k = (size // 2 for size in shape)
        labels[i : i + i // 2, j : j + j // 2, k : k + k // 2] = workspace.class_map["liver"].value
        labels[i // 3 : i // 2, j : j + j // 3, k : k + k // 3] = workspace.class_map[
            "spleen"
        ].value
        maker = Provenance("model", "model:bench")
        written = write_label_map_masks(workspace.layout, case, labels, workspace.class_map, maker)
        workspace.record_masks(written)
    return workspace
