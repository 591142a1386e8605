"""Cases whose labels are right, for `benchmarks.plausibility`: bodies, a cohort, a real scan."""

from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.anatomy import ClassMap, find_class_map, load_class_map, relabel, shipped_configs
from pipeline.errors import BadInput
from pipeline.phantom import PHASES, BodySettings, make_body
from pipeline.volume import read_nifti
from qc.planting import Part, Subject
from qc.plausibility.cohort import Cohort, Size, make_cohort, sizes_in
from qc.plausibility.scene import make_scene

REAL_CASE = "ct_abdomen_pelvis_native_ts"
REAL_FILES = (
    ("example_ct.nii.gz", "example_seg_fast_force_split.nii.gz"),
    ("example_ct_sm.nii.gz", "example_seg.nii.gz"),
)
FIRST_SEED: dict[Part, int] = {"tuning": 8000, "held_out": 9000}
COHORT_SEED = 8500
_NAMED_HERE = {"vertebrae_S1": "sacrum"}
_FIELDS = ("thorax_abdomen", "abdomen", "whole", "thorax", "pelvis", "head_neck")
_IN_PLANE_MM = (430.0, 330.0)


@dataclass(frozen=True)
class Clean:
    """A case before anything is planted.

    Attributes
    ----------
    name : str
    subject : Subject
    sex, phase : str or None
    is_real : bool
        Its labels were made by a model, and may be wrong here and there.
    """

    name: str
    subject: Subject
    sex: str | None
    phase: str | None
    is_real: bool


def class_map_104() -> ClassMap:
    """Give the 104 structures."""
    return load_class_map(shipped_configs() / "class_map.yaml")


def body_settings(seed: int) -> BodySettings:
    """Give one of many bodies: fields of view in turn, else by chance."""
    rng = np.random.default_rng(seed)
    return BodySettings(
        seed=seed,
        sex="male" if rng.random() < 0.5 else "female",
        size=float(rng.uniform(0.88, 1.1)),
        girth=float(rng.uniform(0.85, 1.4)),
        scoliosis_deg=float(rng.choice([0, 0, 0, 12, -15])),
        phase=PHASES[int(rng.integers(len(PHASES)))],
        noise_hu=float(rng.uniform(8, 25)),
        field_of_view=_FIELDS[seed % len(_FIELDS)],
        in_plane_mm=_IN_PLANE_MM,
        orientation=str(rng.choice(["RAS", "LPS", "LAS"])),
        table=bool(rng.random() < 0.5),
    )


def make_clean(seed: int) -> Clean:
    """Make a body whose labels are right."""
    settings, class_map = body_settings(seed), class_map_104()
    body = make_body(settings, class_map)
    subject = Subject.of(body.labels, body.grid, class_map, body.ct)
    return Clean(
        f"{settings.field_of_view} {seed}", subject, settings.sex[0], settings.phase, is_real=False
    )


def phantom_cohort(bodies: int, pool: Executor) -> Cohort:
    """Measure other bodies, as the other cases of a workspace would be."""
    seeds = range(COHORT_SEED, COHORT_SEED + bodies)
    return make_cohort(pool.map(_sizes_of, seeds))


def _sizes_of(seed: int) -> tuple[str | None, dict[str, Size]]:
    settings, class_map = body_settings(seed), class_map_104()
    whole = BodySettings(
        seed=seed, sex=settings.sex, size=settings.size, girth=settings.girth, phase=settings.phase
    )
    body = make_body(whole, class_map)
    return settings.sex[0], sizes_in(make_scene(body.labels, body.grid, class_map))


def real_cases(folder: Path) -> Iterator[Clean]:
    """Read the real scans; none where their folder is absent.

    Raises
    ------
    BadInput
        If CT and labels do not lie on one grid.
    """
    if not (folder / REAL_CASE).is_dir():
        return
    wanted, given = class_map_104(), find_class_map("totalsegmentator_v2", shipped_configs())
    # Version 2 tells S1 from the sacrum, of which it is part here.
    names = {v: _NAMED_HERE.get(name, name) for v, name in given.names_by_value.items()}
    for ct_file, labels_file in REAL_FILES:
        ct = read_nifti(folder / REAL_CASE / ct_file)
        labels = read_nifti(folder / REAL_CASE / labels_file)
        if not ct.grid.same_as(labels.grid):
            raise BadInput(f"{labels_file}: its grid is not that of {ct_file}")
        renamed = relabel(labels.array, names, wanted).label_map
        subject = Subject.of(renamed, labels.grid, wanted, ct.array.astype(np.int16))
        yield Clean(f"real {labels_file}", subject, None, "native", is_real=True)
