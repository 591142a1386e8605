"""What travels to a worker and back: one model and one case, and the masks it gave.

Everything here can be pickled. A worker reads files and writes immutable mask files; it never
touches the ledger.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from pipeline.anatomy import ClassMap
from pipeline.bootstrap.card import CardLabels, ModelCard
from pipeline.bootstrap.known_masks import REPLACES, KnownMasks, made_from_digest
from pipeline.bootstrap.prediction_files import CaseWords
from pipeline.workspace import Case, Finding, Layout, Mask, digest_of, settings_digest


@dataclass(frozen=True, slots=True)
class RunPolicy:
    """The settings of a run that every runner obeys.

    Attributes
    ----------
    device : str
        `cpu`, `gpu` or `gpu:N`.
    prediction_pattern : str or None
        Where predictions on disk lie, instead of what their card says.
    prediction_table : bool
        Whether a table names the predictions; it then goes instead of all patterns.
    minimum_cover : float
        Share (0..1) of a CT that a prediction on another grid must cover to be resampled.
    check_sides : bool
        Refuse predictions in which every pair of structures has its sides exchanged.
    """

    device: str = "cpu"
    prediction_pattern: str | None = None
    prediction_table: bool = False
    minimum_cover: float = 0.99
    check_sides: bool = True

    def settings_digest(self) -> str:
        """Short digest of the settings that a mask could depend on; the device is none."""
        said = {"minimum_cover": self.minimum_cover, "check_sides": self.check_sides}
        return settings_digest(said)


@dataclass(frozen=True, slots=True)
class ReadyModel:
    """A model whose card was read and whose files were found.

    Attributes
    ----------
    options : BaseModel
        What the runner reads from the card.
    place : Path or None
        Where the weights or predictions are.
    weights_digest : str or None
        sha256 (hex) of the weights; None where there are none (predictions on disk).
    """

    card: ModelCard
    card_digest: str
    options: BaseModel
    labels: CardLabels
    class_map: ClassMap
    place: Path | None
    weights_digest: str | None
    policy: RunPolicy
    layout: Layout

    @property
    def maker(self) -> str:
        """Who made the masks, as provenance names it."""
        return f"model:{self.card.name}"

    def sources(self, **more: str) -> dict[str, str]:
        """Digests of what a mask of this model is made from."""
        weights = {} if self.weights_digest is None else {"weights": self.weights_digest}
        return {"model_card": self.card_digest, **weights, **more}


@dataclass(frozen=True, slots=True)
class CaseTask:
    """One model for one case.

    Attributes
    ----------
    vertebrae : tuple of Mask
        In force in the case, by which ribs are numbered; only for cards that split ribs.
    """

    model: ReadyModel
    case: Case
    known: KnownMasks
    words: CaseWords
    vertebrae: tuple[Mask, ...] = ()

    def sources(self, **more: str) -> dict[str, str]:
        """Digests of what the masks are made from, and what they replace if they come back."""
        if self.model.card.postprocess is not None:
            more["vertebrae"] = digest_of({mask.structure: mask.id for mask in self.vertebrae})
        sources = self.model.sources(**more)
        replaced = self.known.replaced_by(made_from_digest(sources))
        return sources if replaced is None else {**sources, REPLACES: replaced}

    def is_kept(self, sources: Mapping[str, str], structures: Iterable[str]) -> bool:
        """Say whether these structures, made from this, are there and the model's last word."""
        return self.known.holds(made_from_digest(sources), structures)

    @property
    def what(self) -> str:
        """The task in the words of a message."""
        return f"{self.model.card.name} on case {self.case.id}"


@dataclass(frozen=True, slots=True)
class CaseResult:
    """What came of one task.

    Attributes
    ----------
    status : {"done", "kept", "failed", "no_prediction"}
        `no_prediction`: predictions are on disk for other cases, not for this one.
    masks : tuple of Mask
        Written, for the driver to record.
    findings : tuple of Finding
        What a person should look at, for the driver to write.
    """

    case_id: str
    status: Literal["done", "kept", "failed", "no_prediction"]
    note: str = ""
    masks: tuple[Mask, ...] = ()
    figures: Mapping[str, object] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
