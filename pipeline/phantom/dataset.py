"""Folders of synthetic CTs: the layout of the TotalSegmentator dataset, or plain files.

The command `masksmith phantom` calls `write_phantoms(folder, class_map, wish)`, a generator:
each step writes one body and yields what it wrote, so the caller can show progress.

    for written in write_phantoms(Path("data"), class_map, DatasetSettings(count=5)):
        ...

Layout "totalsegmentator": `sXXXX/ct.nii.gz`, `sXXXX/segmentations/<structure>.nii.gz` for every
structure of the class map (an empty mask where the field of view lacks it), and `meta.csv` with
`;` and the columns image_id, age, gender, institute, study_type, split.
Layout "plain": `sXXXX.nii.gz`, and with masks `sXXXX_labels.nii.gz` (one label map).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from pipeline.anatomy import ClassMap
from pipeline.errors import UsageError
from pipeline.phantom.body import Body, make_body
from pipeline.phantom.settings import FIELDS_OF_VIEW_MM, PHASES, BodySettings
from pipeline.volume import write_file_atomically, write_nifti

Layout = Literal["totalsegmentator", "plain"]

WIDTHS_MM = {
    "head_neck": (300.0, 300.0),
    "thorax": (420.0, 330.0),
    "thorax_abdomen": (420.0, 330.0),
    "abdomen": (400.0, 320.0),
    "pelvis": (430.0, 330.0),
}
"""Widths along x and y of a typical reconstruction, which cuts the arms; "whole" keeps them."""

META_COLUMNS = ("image_id", "age", "gender", "institute", "study_type", "split")


@dataclass(frozen=True)
class DatasetSettings:
    """How many bodies of what kind to write.

    Parameters
    ----------
    count
        Number of bodies, s0000 onwards.
    seed
        Chooses all people; body n of one seed is the same whatever `count` is.
    spacing_mm
        Voxel size, the same along x, y and z.
    layout
        "totalsegmentator" or "plain".
    with_masks
        Whether the truth is written too.
    field_of_view
        A name of `FIELDS_OF_VIEW_MM`, or "mixed": each body another, as in a hospital.
    phase
        A contrast phase, or "mixed".
    noise_hu
        Standard deviation of the noise.
    """

    count: int = 5
    seed: int = 0
    spacing_mm: float = 3.0
    layout: Layout = "totalsegmentator"
    with_masks: bool = True
    field_of_view: str = "mixed"
    phase: str = "mixed"
    noise_hu: float = 12.0

    def __post_init__(self) -> None:
        """Refuse unknown names before anything is written.

        Raises
        ------
        UsageError
            If the count is negative or a name is unknown.
        """
        if self.count < 0:
            raise UsageError(f"count is {self.count}, expected 0 or more")
        for name, allowed in (
            ("layout", ("totalsegmentator", "plain")),
            ("field_of_view", ("mixed", *FIELDS_OF_VIEW_MM)),
            ("phase", ("mixed", *PHASES)),
        ):
            if getattr(self, name) not in allowed:
                raise UsageError(f"{name} is {getattr(self, name)!r}, expected one of {allowed}")


@dataclass(frozen=True)
class WrittenBody:
    """One body on disk.

    Parameters
    ----------
    image_id
        Its name, such as "s0003".
    ct
        The CT file.
    settings
        What it was made from.
    """

    image_id: str
    ct: Path
    settings: BodySettings


def body_settings(number: int, wish: DatasetSettings) -> BodySettings:
    """Return the settings of body `number` of a dataset: its person, field of view and phase."""
    rng = np.random.default_rng([wish.seed, number, 4])
    female = bool(rng.random() < 0.5)
    fields = ("thorax_abdomen", "whole", "abdomen", "thorax", "pelvis", "head_neck")
    field = fields[int(rng.choice(6, p=[0.34, 0.2, 0.16, 0.16, 0.08, 0.06]))]
    phase = PHASES[int(rng.choice(4, p=[0.3, 0.15, 0.45, 0.1]))]
    curved = rng.random() < 0.15
    spacing = float(wish.spacing_mm)
    size = round(float(np.clip(rng.normal(0.93 if female else 1.0, 0.035), 0.8, 1.15)), 3)
    girth = round(float(np.clip(rng.gamma(8.0, 0.06) + 0.65, 0.8, 1.6)), 3)
    field = field if wish.field_of_view == "mixed" else wish.field_of_view
    return BodySettings(
        seed=int(rng.integers(2**31)),
        sex="female" if female else "male",
        size=size,
        girth=girth,
        scoliosis_deg=round(float(rng.uniform(-30, 30)), 1) if curved else 0.0,
        phase=phase if wish.phase == "mixed" else wish.phase,  # type: ignore[arg-type]
        noise_hu=wish.noise_hu,
        spacing_mm=(spacing, spacing, spacing),
        field_of_view=field,
        in_plane_mm=_widths_mm(field, size * (1 + 0.3 * (girth - 1))),
    )


def _widths_mm(field: str, scale: float) -> tuple[float, float] | None:
    if field not in WIDTHS_MM:
        return None
    x, y = WIDTHS_MM[field]
    return round(x * scale, 1), round(y * scale, 1)


def write_phantoms(
    folder: Path, class_map: ClassMap, wish: DatasetSettings
) -> Iterator[WrittenBody]:
    """Write `wish.count` bodies under `folder`, yielding each after it is on disk."""
    numbers = range(wish.count)
    yield from write_dataset(
        folder, (body_settings(n, wish) for n in numbers), class_map, wish.layout, wish.with_masks
    )


def write_dataset(
    folder: Path,
    bodies: Iterable[Body | BodySettings],
    class_map: ClassMap,
    layout: Layout = "totalsegmentator",
    with_masks: bool = True,
) -> Iterator[WrittenBody]:
    """Write bodies, given ready or as settings, as s0000, s0001, ... under `folder`.

    Yields each after it is on disk; `meta.csv` follows after the last.
    """
    rows = []
    for number, given in enumerate(bodies):
        body = make_body(given, class_map) if isinstance(given, BodySettings) else given
        image_id = f"s{number:04d}"
        if layout == "plain":
            ct = _write_plain(folder, image_id, body, with_masks)
        else:
            ct = _write_case(folder / image_id, body, class_map, with_masks)
        rows.append(_meta_row(image_id, number, body.settings))
        yield WrittenBody(image_id, ct, body.settings)
    if layout == "totalsegmentator":
        lines = [";".join(META_COLUMNS), *(";".join(row) for row in rows)]
        write_file_atomically(folder / "meta.csv", ("\n".join(lines) + "\n").encode())


def _write_plain(folder: Path, image_id: str, body: Body, with_masks: bool) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    ct = folder / f"{image_id}.nii.gz"
    write_nifti(ct, body.ct, body.grid)
    if with_masks:
        write_nifti(folder / f"{image_id}_labels.nii.gz", body.labels, body.grid, intent="label")
    return ct


def _write_case(folder: Path, body: Body, class_map: ClassMap, with_masks: bool) -> Path:
    masks = folder / "segmentations"
    masks.mkdir(parents=True, exist_ok=True)
    ct = folder / "ct.nii.gz"
    write_nifti(ct, body.ct, body.grid)
    if with_masks:
        for structure in class_map:
            mask = np.asfortranarray(body.labels == structure.value).view(np.uint8)
            write_nifti(masks / f"{structure.name}.nii.gz", mask, body.grid, intent="label")
    return ct


def _meta_row(image_id: str, number: int, settings: BodySettings) -> tuple[str, ...]:
    rng = np.random.default_rng([settings.seed, 5])
    age = str(int(np.clip(rng.normal(60, 16), 18, 95)))
    gender = settings.sex[0]
    institute = "ABCD"[int(rng.integers(4))]
    field = settings.field_of_view
    study = f"ct {field if isinstance(field, str) else 'custom'} {settings.phase}".replace("_", " ")
    split = "test" if number % 20 == 9 else "val" if number % 20 == 19 else "train"
    return image_id, age, gender, institute, study, split
