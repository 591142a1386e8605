"""From what was found to what is to be read: one `Arrival` per CT."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pipeline.errors import BadInput
from pipeline.intake.dicom_series import DicomSeries, ct_series
from pipeline.intake.identity import Identity, Pseudonym, identity_of_row, identity_of_series
from pipeline.intake.reading import ReadTask
from pipeline.intake.refusal import Refused
from pipeline.intake.settings import IntakeSettings
from pipeline.intake.tables import Table, TableRow, read_table
from pipeline.intake.totalsegmentator_layout import DatasetSubject, read_meta
from pipeline.stage import Outcome
from pipeline.workspace import Workspace

_PATH_COLUMNS = ("path", "file")


@dataclass(frozen=True, slots=True)
class Arrival:
    """A CT on its way in.

    Attributes
    ----------
    subject : str
        How messages name it: its path.
    source : dict
        As kept in the case: format and layout, and a keyed hash of the path or series.
    """

    subject: str
    task: ReadTask
    identity: Identity
    source: dict[str, str]
    masks: tuple[Path, ...] = ()
    notes: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Reception:
    """Makes arrivals by the rules of one workspace and one call."""

    workspace: Workspace
    settings: IntakeSettings

    @property
    def pseudonym(self) -> Pseudonym:
        """The workspace's keyed hash."""
        return self.workspace.pseudonym

    def nifti(self, files: Sequence[Path]) -> Iterator[Arrival | Outcome]:
        """Receive NIfTI files, with what the table says about them."""
        rows: dict[Path, TableRow] = {}
        if self.settings.table is not None:
            table = read_table(self.settings.table, _PATH_COLUMNS)
            folder = self.settings.table.resolve().parent
            rows = {(folder / key).resolve(): row for key, row in table.rows.items()}
            yield from _unknown_columns(self.settings.table, table)
        for path in files:
            row = rows.pop(path.resolve(), TableRow())
            yield self._arrival(path, identity_of_row(row, self.pseudonym), {"format": "nifti"})
        for path in rows:
            note = "in the table, but not among the files given: check the path"
            yield Outcome(str(path), "failed", note)

    def dataset(self, subjects: Sequence[DatasetSubject]) -> Iterator[Arrival | Outcome]:
        """Receive the subjects of TotalSegmentator datasets, with what meta.csv says."""
        tables: dict[Path, Table] = {}
        for subject in subjects:
            root = subject.folder.parent
            if root not in tables:
                tables[root] = yield from _meta(root)
            row = tables[root].rows.get(subject.folder.name, TableRow())
            identity = identity_of_row(row, self.pseudonym)
            if identity.patient_id is None:
                identity = self._one_patient_per_image(identity, subject)
            source = {"format": "nifti", "layout": "totalsegmentator"}
            source["dataset"] = self.settings.dataset
            arrival = self._arrival(subject.ct, identity, source)
            task = replace(arrival.task, case_id=subject.case_id)
            yield replace(arrival, task=task, masks=subject.masks)

    def series(
        self, found: Sequence[DicomSeries], unread: Mapping[Path, int]
    ) -> Iterator[Arrival | Outcome]:
        """Receive the DICOM series that are straight CTs; say why the others are not.

        Parameters
        ----------
        found : sequence of DicomSeries
        unread : mapping
            Folder to the number of files in it that could not be read: they may have been
            the first or last slices of a series, which its places cannot show.
        """
        for series in found:
            if not series.is_image:
                note = f"{series.label}: not a CT image, left for import"
                yield Outcome(series.name, "kept", note)
                continue
            try:
                straight = ct_series(series)
            except BadInput as error:
                yield Outcome(series.name, "failed", f"{series.label}: {error}")
                continue
            files = tuple(header.path for header in straight.slices)
            identity = identity_of_series(straight.slices[0], self.pseudonym)
            yield Arrival(
                subject=series.name,
                task=replace(self._task(files), grid=straight.grid),
                identity=self._with_site(identity),
                source={"format": "dicom", "slices": str(len(files))},
                notes=_notes_on(series, unread),
            )

    def _arrival(self, path: Path, identity: Identity, source: dict[str, str]) -> Arrival:
        file = self.pseudonym("path", str(path.resolve()))
        return Arrival(
            subject=str(path),
            task=self._task((path,)),
            identity=self._with_site(identity),
            source={**source, "file": file},
        )

    def _task(self, files: tuple[Path, ...]) -> ReadTask:
        return ReadTask(
            files=files,
            grid=None,
            rules=self.settings.rules,
            memory_bytes=self.settings.memory_bytes,
            layout=self.workspace.layout,
            write=not self.settings.dry_run,
        )

    def _with_site(self, identity: Identity) -> Identity:
        meta = dict(identity.meta)
        if self.settings.site and "site" not in meta:
            meta["site"] = self.settings.site
        return replace(identity, meta=meta, phase=identity.phase or self.settings.phase)

    def _one_patient_per_image(self, identity: Identity, subject: DatasetSubject) -> Identity:
        """Take every image for another patient, as the dataset does not say, and note that."""
        value = f"{self.settings.dataset}/{subject.folder.name}"
        return replace(
            identity,
            patient_id=self.pseudonym("patient", value),
            meta={**identity.meta, "patient_assumed": "one per image"},
        )


def _notes_on(series: DicomSeries, unread: Mapping[Path, int]) -> tuple[str, ...]:
    folders = {header.path.parent for header in series.headers}
    broken = sum(unread.get(folder, 0) for folder in folders)
    copies = f"{series.copies} copies of slices left out" if series.copies else ""
    lost = f"{broken} broken files beside it: check that its first and last slices are there"
    return tuple(note for note in (copies, lost if broken else "") if note)


def _meta(root: Path) -> Generator[Outcome, None, Table]:
    try:
        table = read_meta(root)
    except Refused as error:
        yield Outcome(str(root), "failed", str(error))
        return Table({})
    yield from _unknown_columns(root, table)
    return table


def _unknown_columns(path: Path, table: Table) -> Iterator[Outcome]:
    if table.unknown_columns:
        names = ", ".join(table.unknown_columns)
        yield Outcome(str(path), "kept", f"columns of the table not taken over: {names}")
