"""The words the workspace speaks: case, mask, provenance, verdict, round."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Any, Literal, get_args

from pipeline.errors import BadInput
from pipeline.volume import Box, Grid
from pipeline.workspace.digest import digest_of, now_utc

Origin = Literal["model", "transfer", "rough", "human", "round", "merged"]
PLANTED = "planted"
Decision = Literal["accept", "fix", "absent_fov", "absent_anatomy", "exclude_case", "include_case"]


class Presence(StrEnum):
    """Whether a structure is in a case; "not annotated" is never "not there"."""

    PRESENT = "present"
    ABSENT_FOV = "absent_fov"
    ABSENT_ANATOMY = "absent_anatomy"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a mask comes from, complete enough to walk back to weights or a person.

    Attributes
    ----------
    origin : Origin
    maker : str
        Such as ``"model:btcv"``, ``"person:anna"``, ``"round:1"``, ``"dataset:lab"``.
    parents : tuple of str
        Ids of the masks this one was made from.
    round : int or None
        The active-learning round that predicted it.
    priority : int
        Between bootstrap models that see the same structure, the higher counts.
    created : str
        ISO 8601, UTC. Not part of a mask's id.
    settings_digest : str
        Of the settings it was made with.
    software : mapping
        Name to version of what made it.
    sources : mapping
        Digests of what it was made from: ``model_card``, ``weights``, ``manifest``, ...
    about : mapping
        Further plain facts, such as which slices were drawn. Left out of the record while
        empty, so that masks made before there was such a field keep their ids.
    """

    origin: Origin
    maker: str
    parents: tuple[str, ...] = ()
    round: int | None = None
    priority: int = 0
    created: str = field(default_factory=now_utc)
    settings_digest: str = ""
    software: Mapping[str, str] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    about: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse an origin that is not one of the six."""
        if self.origin not in get_args(Origin):
            raise BadInput(f"origin {self.origin!r}, expected one of {get_args(Origin)}")

    def to_dict(self) -> dict[str, Any]:
        """Give plain JSON values."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        values |= {
            "parents": list(self.parents),
            "software": dict(self.software),
            "sources": dict(self.sources),
            "about": dict(self.about),
        }
        if not self.about:
            del values["about"]
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Provenance":
        """Read what :meth:`to_dict` gave."""
        return cls(**{**values, "parents": tuple(values.get("parents", ()))})

    def with_sources(self, **sources: str) -> "Provenance":
        """Give the same provenance with further sources."""
        return replace(self, sources={**self.sources, **sources})


@dataclass(frozen=True, slots=True)
class Case:
    """One CT. Patient, exam, series and frame of reference are keyed hashes, never ids.

    Attributes
    ----------
    grid : Grid
        Of the stored CT.
    phase : str or None
        Contrast phase where known.
    source : mapping
        How it came in (layout, format); no path that could name a patient.
        :data:`PLANTED` stands here in a case that `masksmith audit plant` made.
    meta : mapping
        Age, sex, site, scanner ... as far as known.
    ct_digest : str
        Of grid and voxels (int16 HU): equal for the same image in another file.
    """

    id: str
    grid: Grid
    ct_digest: str
    patient_id: str | None = None
    exam_id: str | None = None
    series_id: str | None = None
    frame_of_reference_id: str | None = None
    phase: str | None = None
    source: Mapping[str, str] = field(default_factory=dict)
    meta: Mapping[str, str] = field(default_factory=dict)
    created: str = field(default_factory=now_utc)

    @property
    def is_planted(self) -> bool:
        """Whether it holds a known error, to see whether people catch it; no case to learn from."""
        return PLANTED in self.source

    def to_dict(self) -> dict[str, Any]:
        """Give plain JSON values."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return values | {
            "grid": self.grid.to_dict(),
            "source": dict(self.source),
            "meta": dict(self.meta),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Case":
        """Read what :meth:`to_dict` gave."""
        return cls(**{**values, "grid": Grid.from_dict(values["grid"])})


@dataclass(frozen=True, slots=True)
class Mask:
    """An immutable revision of one structure in one case.

    Attributes
    ----------
    id : str
        SHA-256 (hex) of case, structure, box, voxels and provenance without its time.
    box : tuple of slice
        Where the stored crop lies in the case's grid.
    voxels : int
        How many are set; 0 means that the maker looked and found nothing.
    """

    id: str
    case_id: str
    structure: str
    provenance: Provenance
    box: Box
    voxels: int

    @property
    def origin(self) -> Origin:
        """Shortcut to the provenance's origin."""
        return self.provenance.origin

    def to_dict(self) -> dict[str, Any]:
        """Give plain JSON values."""
        return {
            "id": self.id,
            "case_id": self.case_id,
            "structure": self.structure,
            "box": [[side.start, side.stop] for side in self.box],
            "voxels": self.voxels,
            "provenance": self.provenance.to_dict(),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Mask":
        """Read what :meth:`to_dict` gave."""
        i, j, k = (slice(int(start), int(stop)) for start, stop in values["box"])
        return cls(
            id=values["id"],
            case_id=values["case_id"],
            structure=values["structure"],
            provenance=Provenance.from_dict(values["provenance"]),
            box=(i, j, k),
            voxels=int(values["voxels"]),
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a person decided; append-only, the last one counts.

    Attributes
    ----------
    structure : str or None
        None for a verdict about the whole case.
    mask_id : str or None
        The revision that was looked at (accept, fix).
    by : str
        Who decided.
    seconds : float or None
        How long it took.
    """

    case_id: str
    decision: Decision
    by: str
    structure: str | None = None
    mask_id: str | None = None
    reason: str = ""
    seconds: float | None = None
    created: str = field(default_factory=now_utc)

    def __post_init__(self) -> None:
        """Refuse a decision that is not known."""
        if self.decision not in get_args(Decision):
            raise BadInput(f"decision {self.decision!r}, expected one of {get_args(Decision)}")

    @property
    def id(self) -> str:
        """Digest of the whole verdict; recording it twice records it once."""
        return digest_of(self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """Give plain JSON values."""
        return {item.name: getattr(self, item.name) for item in fields(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Verdict":
        """Read what :meth:`to_dict` gave."""
        return cls(**values)


@dataclass(frozen=True, slots=True)
class Round:
    """One active-learning round; the manifest freezes what it was trained on."""

    number: int
    target_cases: int
    manifest_digest: str
    created: str = field(default_factory=now_utc)

    def to_dict(self) -> dict[str, Any]:
        """Give plain JSON values."""
        return {item.name: getattr(self, item.name) for item in fields(self)}
