"""Where rules draw the line: numbers and tables of `configs/plausibility.yaml`, each with a source.

In tables ``{side}`` in a name stands for left and right, ``{n}`` for 1 to 12: such a row is many.
"""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, Literal, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from pipeline.anatomy import shipped_configs, vertebra_number
from pipeline.errors import BadInput
from pipeline.workspace.phases import phase_kind


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str = Field(min_length=3)


Phased = TypeVar("Phased", "DensityRange", "Contents")


class Threshold(_Row):
    """One number and where it comes from."""

    value: float


class VolumeRange(_Row):
    """Volumes beyond which a whole structure of an adult is doubtful.

    Attributes
    ----------
    structures : tuple of str
        Names or shell patterns.
    """

    structures: tuple[str, ...]
    low_ml: float
    high_ml: float


class DensityRange(_Row):
    """Medians (HU) beyond which a structure is doubtful; for one contrast phase or all."""

    structures: tuple[str, ...]
    low_hu: float
    high_hu: float
    phases: tuple[str, ...] = ()


class Touching(_Row):
    """Two structures that lie no farther apart than this where both are whole."""

    first: str
    second: str
    at_most_mm: float


class Apart(_Row):
    """Two structures whose surfaces do not share more than this."""

    first: str
    second: str
    at_most_cm2: float


class HeightOrder(_Row):
    """A structure that stands above another: centre above centre by at least this."""

    upper: str
    lower: str
    at_least_mm: float


class HeightSpan(_Row):
    """Vertebrae between which a structure's centre stands (upper, lower)."""

    structure: str
    upper: str
    lower: str


class Reach(_Row):
    """The vertebra that a long structure reaches at one end, unless the view ends before."""

    structure: str
    end: Literal["top", "bottom"]
    vertebra: str


class Expected(_Row):
    """A structure that is there where another one is whole and the view goes on below it.

    Attributes
    ----------
    below_mm : float
        How far below the anchor's centre the view must reach; negative: above it.
    """

    structure: str
    anchor: str
    below_mm: float


class VertebraStep(_Row):
    """The usual distance (mm) of a vertebra's centre to the next one's, down the spine."""

    vertebra: str
    step_mm: float = Field(gt=0)

    @property
    def number(self) -> int:
        """Along the spine."""
        number = vertebra_number(self.vertebra)
        assert number is not None
        return number

    @field_validator("vertebra")
    @classmethod
    def _known(cls, name: str) -> str:
        if vertebra_number(name) is None:
            raise ValueError(f"{name} is no vertebra; expected a name such as vertebrae_T1")
        return name


class Inside(_Row):
    """A structure that lies within the box around others, grown by a margin (mm)."""

    inner: str
    outer: tuple[str, ...]
    margin_mm: float


class Opposite(_Row):
    """One of a pair whose centre lies near the mirror image of the other's (mm).

    Attributes
    ----------
    least_dice : float or None
        Of the mirror image laid on the other, centre on centre; None: not judged.
    """

    structure: str
    at_most_mm: float = Field(gt=0)
    least_dice: float | None = None


class Contents(_Row):
    """What a mask holds; voxels beyond the range that lie together are a leak.

    Attributes
    ----------
    below, above : str
        What lies there, in words: ``lung or air``, ``bone``.
    """

    structures: tuple[str, ...]
    low_hu: float
    high_hu: float
    below: str
    above: str
    at_most_ml: float
    phases: tuple[str, ...] = ()


class Fat(_Row):
    """How much fat that lies together a mask may hold, and how large a share may be fat at all."""

    structures: tuple[str, ...]
    at_most_ml: float
    at_most_share: float = Field(1.0, gt=0, le=1)


class Border(_Row):
    """What the two layers along a mask's surface hold.

    Attributes
    ----------
    foreign_low_hu, foreign_high_hu : float or None
        Other tissue: what of the outermost layer lies in this range (open where None).
    foreign_share : float
        More than this share of the layer: the mask is too large.
    own_low_hu, own_high_hu : float or None
        Its own tissue in the unlabelled layer outside; both None: like the middle half inside.
    own_denser : bool
        Its own tissue outside is what is denser than the middle of its outermost layer: the rind
        of a bone.
    own_share : float or None
        More than this share: the mask is too small. None: not judged.
    """

    structures: tuple[str, ...]
    foreign_low_hu: float | None = None
    foreign_high_hu: float | None = None
    foreign_share: float = 1.0
    own_low_hu: float | None = None
    own_high_hu: float | None = None
    own_denser: bool = False
    own_share: float | None = None


class Thresholds(BaseModel):
    """All limits of all rules.

    ``thresholds["name"]`` gives a number.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    numbers: Mapping[str, Threshold]
    vertebra_steps: tuple[VertebraStep, ...] = Field(min_length=1)
    volumes: tuple[VolumeRange, ...] = ()
    densities: tuple[DensityRange, ...] = ()
    touching: tuple[Touching, ...] = ()
    apart: tuple[Apart, ...] = ()
    height_order: tuple[HeightOrder, ...] = ()
    height_span: tuple[HeightSpan, ...] = ()
    reach: tuple[Reach, ...] = ()
    expected: tuple[Expected, ...] = ()
    inside: tuple[Inside, ...] = ()
    opposite: tuple[Opposite, ...] = ()
    contents: tuple[Contents, ...] = ()
    fat: tuple[Fat, ...] = ()
    borders: tuple[Border, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _all_rows(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        return {
            name: [each for row in rows for each in _expanded(row)]
            if isinstance(rows, list)
            else rows
            for name, rows in values.items()
        }

    def __getitem__(self, name: str) -> float:
        """Give a number; KeyError names the missing one."""
        return self.numbers[name].value

    def vertebra_step_mm(self, number: int) -> float:
        """Give the usual distance to the next vertebra, between those of the table."""
        rows = sorted(self.vertebra_steps, key=lambda row: row.number)
        return float(np.interp(number, [r.number for r in rows], [r.step_mm for r in rows]))

    def volume_of(self, structure: str) -> VolumeRange | None:
        """Give the first row of volumes that fits a structure."""
        return next((row for row in self.volumes if fits(structure, row.structures)), None)

    def density_of(self, structure: str, phase: str | None) -> DensityRange | None:
        """Give the first row of densities that fits a structure and a phase."""
        return _first(self.densities, structure, phase)

    def contents_of(self, structure: str, phase: str | None) -> Contents | None:
        """Give the first row of contents that fits a structure and a phase."""
        return _first(self.contents, structure, phase)

    def fat_of(self, structure: str) -> Fat | None:
        """Give the first row of fat that fits a structure."""
        return next((row for row in self.fat if fits(structure, row.structures)), None)

    def border_of(self, structure: str) -> Border | None:
        """Give the first row of borders that fits a structure."""
        return next((row for row in self.borders if fits(structure, row.structures)), None)


def shipped_thresholds() -> Thresholds:
    """Give the thresholds that Masksmith ships."""
    return with_shipped({})


def with_shipped(given: Mapping[str, Any]) -> Thresholds:
    """Complete some thresholds with the shipped ones.

    Parameters
    ----------
    given : mapping
        Numbers replace those of the same name, a table replaces the whole table.

    Raises
    ------
    ValueError
        If a number is named that no rule reads, or a row is not as it should be.
    """
    shipped = _shipped()
    numbers = given.get("numbers") or {}
    unknown = sorted(set(numbers) - set(shipped["numbers"]))
    if unknown:
        near = get_close_matches(unknown[0], shipped["numbers"], n=2)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise ValueError(f"no rule reads a threshold {', '.join(unknown)}{hint}")
    return Thresholds.model_validate(
        {**shipped, **given, "numbers": {**shipped["numbers"], **numbers}}
    )


def fits(name: str, patterns: tuple[str, ...]) -> bool:
    """Tell whether a name is among names and shell patterns."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _first(rows: tuple[Phased, ...], structure: str, phase: str | None) -> Phased | None:
    names = {phase, phase_kind(phase)}
    for row in rows:
        if fits(structure, row.structures) and (not row.phases or names & set(row.phases)):
            return row
    return None


@lru_cache(maxsize=1)
def _shipped() -> dict[str, Any]:
    import yaml

    path = shipped_configs() / "plausibility.yaml"
    try:
        found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))["thresholds"]
    except (OSError, KeyError, TypeError, yaml.YAMLError) as error:
        raise BadInput(
            f"{path}: expected the thresholds of the rules under 'thresholds' ({error}); "
            "install Masksmith again"
        ) from error
    return found


def _expanded(row: Any) -> Iterator[Any]:
    """Give a row, or one for each side and number where a name holds ``{side}`` or ``{n}``."""
    if not isinstance(row, Mapping):
        yield row
        return
    text = str(row)
    sides = ("left", "right") if "{side}" in text else ("",)
    numbers = range(1, 13) if "{n}" in text else (0,)
    for side in sides:
        for number in numbers:
            yield {key: _named(value, side, number) for key, value in row.items()}


def _named(value: Any, side: str, number: int) -> Any:
    if isinstance(value, str):
        return value.replace("{side}", side).replace("{n}", str(number))
    if isinstance(value, list | tuple):
        return [_named(each, side, number) for each in value]
    return value
