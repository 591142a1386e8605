"""The cases of one call of `masksmith predict`: read, predicted, written, one outcome each."""

from __future__ import annotations

import json
import logging
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.cli.output_files import (
    LABELS,
    is_empty_folder,
    is_label_map,
    stem_of,
    whole_folder,
    write_label_map,
    write_masks,
)
from pipeline.errors import MasksmithError, UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pipeline.intake.ct_files import FoundCt, TakenCt
    from pipeline.stage import Outcome
    from pipeline.volume import Grid, Measurement
    from qc.drawing import Style
    from training.predict import PredictionInput
    from training.predict_parts import PartsPlan, WholePrediction
    from training.predict_settings import PredictFilesSettings

RECORD = "prediction.json"
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Request:
    """Where results go and what belongs to them.

    Attributes
    ----------
    output : Path
    is_single : bool
        Whether the output is of one CT; else each gets a folder below it.
    style : tuple or None
        The look of pictures and the graphics driver; None for no picture.
    """

    output: Path
    is_single: bool
    settings: PredictFilesSettings
    style: tuple[Style, str] | None = None
    force: bool = False

    def place(self, name: str) -> Path:
        """Return where the results of a CT go: a folder, or a label map.

        Raises
        ------
        UsageError
            If several CTs shall go into one label map.
        """
        if self.is_single:
            return self.output
        if is_label_map(self.output):
            raise UsageError(f"{self.output}: one label map for several CTs; name a folder (-o)")
        return self.output / name


@dataclass
class PredictRun:
    """Goes through the CTs; what is there already, made from the same, is kept."""

    plan: PartsPlan
    request: Request
    _taken: dict[str, tuple[FoundCt, TakenCt]] = field(default_factory=dict)
    _early: deque[Outcome] = field(default_factory=deque)

    def __post_init__(self) -> None:
        """Say which models these are, once: their digests are read from disk."""
        # Without paths: results travel, and where models lie is nobody's business.
        self.models = [
            {"digest": part.model.digest, "structures": len(part.structures)}
            for part in self.plan.models
        ]
        self._values = {name: self.plan.class_map[name].value for name in self.plan.covered}

    def outcomes(self, cts: Sequence[FoundCt]) -> Iterator[Outcome]:
        """Predict the CTs.

        Raises
        ------
        NnunetError
            If a model cannot be loaded.
        """
        from training.predict_parts import predict_parts

        for ct in cts:
            self.request.place(ct.name)
        for made in predict_parts(self.plan, self._inputs(cts)):
            yield from self._before()
            yield self._finished(made)
        yield from self._before()

    def _before(self) -> Iterator[Outcome]:
        """Give the outcomes of CTs that were not even predicted."""
        while self._early:
            yield self._early.popleft()

    def _inputs(self, cts: Sequence[FoundCt]) -> Iterator[PredictionInput]:
        """Read CTs as their turn comes; the bad and the kept ones end here."""
        from pipeline.stage import Outcome
        from training.predict import PredictionInput

        for ct in cts:
            try:
                taken = ct.take()
            except MasksmithError as error:
                note = str(error).removeprefix(f"{ct.subject}: ")
                self._early.append(Outcome(ct.subject, "failed", note))
                continue
            early = self._if_there(ct, taken)
            if early is not None:
                taken.forget()
                self._early.append(early)
                continue
            self._taken[ct.name] = (ct, taken)
            yield PredictionInput(ct.name, taken.load)

    def _if_there(self, ct: FoundCt, taken: TakenCt) -> Outcome | None:
        """Look at what stands where the results would go."""
        from pipeline.stage import Outcome

        place = self.request.place(ct.name)
        if self.request.force or not place.exists() or is_empty_folder(place):
            return None
        if _digest_at(place) == self._digest(taken):
            return Outcome(ct.subject, "kept", f"{place} is there already, made from the same")
        what = "something else is there" if _digest_at(place) is None else "made otherwise"
        note = f"{place}: {what}; name another place, or replace it with --force"
        if self.request.is_single:
            raise UsageError(note)
        return Outcome(ct.subject, "failed", note)

    def _digest(self, taken: TakenCt) -> str:
        """Digest of all that decides the results of a CT."""
        from pipeline.workspace import digest_of

        plan, settings = self.plan, self.request.settings
        chosen = ["ml", "statistics", "preview", "tile_step", "overlap", "priority"]
        said = settings.model_dump(mode="json", include=set(chosen))
        models = sorted(str(model["digest"]) for model in self.models)
        return digest_of([taken.digest, models, plan.covered, plan.class_map.digest, said])

    def _finished(self, made: WholePrediction) -> Outcome:
        """Write the results of one CT."""
        from pipeline.stage import Outcome

        ct, taken = self._taken.pop(made.id)
        try:
            if made.labels is None or made.grid is None:
                note = (made.error or "no labels").removeprefix(f"{made.id}: ")
                return Outcome(ct.subject, "failed", note)
            return self._written(ct, taken, made, made.labels, made.grid)
        except (MasksmithError, OSError) as error:
            return Outcome(ct.subject, "failed", str(error))
        finally:
            taken.forget()

    def _written(
        self,
        ct: FoundCt,
        taken: TakenCt,
        made: WholePrediction,
        labels: NDArray[np.unsignedinteger],
        grid: Grid,
    ) -> Outcome:
        from pipeline.stage import Outcome

        result = Result(ct.name, labels, grid, taken, self._values)
        found = result.found()
        record = {
            "digest": self._digest(taken),
            "models": self.models,
            "spacing_mm": list(self.plan.models[0].spacing_mm),
            "overlap": self.request.settings.overlap,
            "overlap_voxels": made.overlap_voxels,
            "notes": list(taken.notes),
        }
        Writer(self.request, self.plan.class_map.name, record).write(result)
        figures = {
            "found": found,
            "covered": len(self._values),
            "overlap_voxels": made.overlap_voxels,
            "seconds": round(made.seconds, 2),
        }
        note = "; ".join([f"{found} of {len(self._values)} structures found", *taken.notes])
        return Outcome(ct.subject, "done", note, figures)


@dataclass(frozen=True, slots=True)
class Result:
    """The labels of one CT.

    Attributes
    ----------
    values : mapping of str to int
        Every structure that was looked for.
    """

    name: str
    labels: NDArray[np.unsignedinteger]
    grid: Grid
    taken: TakenCt
    values: Mapping[str, int]

    def found(self) -> int:
        """Count the structures that have a voxel."""
        from pipeline.volume import label_boxes

        present = label_boxes(self.labels)
        return sum(value in present for value in self.values.values())


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes what belongs to a result; whole files, and a whole folder at once."""

    request: Request
    class_map: str
    record: Mapping[str, object]

    def write(self, result: Result) -> None:
        """Write masks or a label map, and what else was asked for."""
        place = self.request.place(result.name)
        if is_label_map(place):
            self._beside(place.parent, f"{stem_of(place)}_", result)
            self._label_map(place, result)
            return
        with whole_folder(place) as part:
            self._beside(part, "", result)
            if self.request.settings.ml:
                self._label_map(part / LABELS, result)
            else:
                write_masks(part, result.labels, result.grid, result.values)
            text = json.dumps({"class_map": self.class_map, **self.record}, indent=2)
            (part / RECORD).write_text(text + "\n")

    def _label_map(self, path: Path, result: Result) -> None:
        said = {name: self.record[name] for name in ("digest", "models")}
        write_label_map(
            path, result.labels, result.grid, self.class_map, result.values, prediction=said
        )

    def _beside(self, folder: Path, start: str, result: Result) -> None:
        """Write statistics and picture; the CT is read again only for them."""
        if not self.request.settings.statistics and self.request.style is None:
            return
        ct, _ = result.taken.load()
        if self.request.settings.statistics:
            write_statistics(folder, f"{start}statistics", result, ct)
        if self.request.style is not None:
            self._preview(folder / f"{start}preview.png", result, ct)

    def _preview(self, path: Path, result: Result, ct: NDArray[Any]) -> None:
        from pipeline.volume import write_file_atomically
        from qc.legend import CaseInfo
        from qc.picture import Subject, render_case
        from qc.png_encoding import encode_png

        if self.request.style is None:
            return
        style, driver = self.request.style
        info = CaseInfo(result.name, sources={"prediction": result.found()})
        subject = Subject(result.labels, result.grid, ct, info)
        picture = render_case(subject, style.class_map, style.rules, style.settings, driver=driver)
        write_file_atomically(path, encode_png(picture.pixels, {"case": result.name}))


def write_statistics(folder: Path, name: str, result: Result, ct: NDArray[Any]) -> None:
    """Write volume in ml and mean HU of every structure, as CSV and JSON."""
    from pipeline.volume import measure_labels, write_file_atomically

    by_value = measure_labels(result.labels, ct, result.grid, result.values.values())
    rows = {structure: by_value[value] for structure, value in result.values.items()}
    lines = ["structure,volume_ml,mean_hu"]
    lines += [f"{structure},{of.volume_ml:.3f},{_hu(of)}" for structure, of in rows.items()]
    write_file_atomically(folder / f"{name}.csv", ("\n".join(lines) + "\n").encode())
    values = {
        structure: {
            "volume_ml": round(of.volume_ml, 3),
            "mean_hu": None if of.mean_hu is None else round(of.mean_hu, 2),
        }
        for structure, of in rows.items()
    }
    write_file_atomically(folder / f"{name}.json", (json.dumps(values, indent=2) + "\n").encode())


def _hu(of: Measurement) -> str:
    return "" if of.mean_hu is None else f"{of.mean_hu:.2f}"


def _digest_at(place: Path) -> str | None:
    """Read what a prediction that stands somewhere was made from; None if it is none of ours."""
    from pipeline.volume.nifti import NiftiError, read_nifti_header

    try:
        if is_label_map(place):
            said = (read_nifti_header(place).extension or {}).get("prediction")
        else:
            said = json.loads((place / RECORD).read_text())
    except (OSError, ValueError, NiftiError):
        return None
    return said.get("digest") if isinstance(said, dict) else None
