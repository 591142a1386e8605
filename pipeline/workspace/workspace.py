"""A workspace: the folder in which one dataset is made, and the words to ask it.

>>> from pipeline.workspace import Workspace
>>> workspace = Workspace.open("workspace")            # doctest: +SKIP
>>> for case in workspace.cases():                     # doctest: +SKIP
...     labels = workspace.label_map(case.id)          # (I, J, K), values of the class map
...     liver = workspace.in_force(case.id).get("liver")
"""

import os
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.anatomy import ClassMap, load_class_map, shipped_configs
from pipeline.errors import BadInput, NothingToDo
from pipeline.volume import atomic_path, write_file_atomically
from pipeline.workspace.case_file import read_ct
from pipeline.workspace.database import sqlite_url
from pipeline.workspace.digest import digest_of
from pipeline.workspace.in_force import (
    accepted_ids,
    is_excluded,
    masks_in_force,
    paint_order,
    presence_of,
    verdicts_by_structure,
)
from pipeline.workspace.layout import Layout
from pipeline.workspace.ledger import Ledger
from pipeline.workspace.locks import driver_lock
from pipeline.workspace.mask_file import read_mask
from pipeline.workspace.pseudonym import pseudonym
from pipeline.workspace.verdict_file import write_verdicts
from pipeline.workspace.words import Case, Mask, Presence, Round, Verdict

_FORMAT = 1
_LEDGER_VARIABLE = "MASKSMITH_LEDGER_URL"


class WorkspaceError(BadInput):
    """A folder that is no usable workspace."""


@dataclass(frozen=True, slots=True)
class CaseRecord:
    """A case with every revision and verdict it has, as the rule *in force* needs them."""

    case: Case
    masks: tuple[Mask, ...]
    verdicts: tuple[Verdict, ...]

    @property
    def excluded(self) -> bool:
        """Whether a person excluded the case."""
        return is_excluded(self.verdicts)

    def in_force(self) -> dict[str, Mask]:
        """Give the masks in force, by structure."""
        return masks_in_force(self.masks, self.verdicts)

    def accepted(self) -> dict[str, Mask]:
        """Give the masks in force that a person accepted, by structure."""
        grouped = verdicts_by_structure(self.verdicts)
        return {
            name: mask
            for name, mask in self.in_force().items()
            if mask.id in accepted_ids(grouped.get(name, ()))
        }

    def presence(self, names: Iterable[str]) -> dict[str, Presence]:
        """Tell for every structure whether it is there."""
        grouped, masks = verdicts_by_structure(self.verdicts), self.in_force()
        return {name: presence_of(masks.get(name), grouped.get(name, ())) for name in names}


class Workspace:
    """One dataset in the making; see :meth:`open` and :meth:`create`.

    Attributes
    ----------
    layout : Layout
        Where everything lies.
    class_map : ClassMap
        The structures this workspace is about.
    ledger : Ledger
    """

    def __init__(self, layout: Layout, class_map: ClassMap, ledger: Ledger) -> None:
        self.layout = layout
        self.class_map = class_map
        self.ledger = ledger

    @classmethod
    def create(
        cls, path: str | Path, class_map_path: str | Path | None = None, ledger_url: str = ""
    ) -> "Workspace":
        """Make a workspace in a new or empty folder, or open the one that is there.

        Parameters
        ----------
        path : path
        class_map_path : path, optional
            The structures; by default the 104 that Masksmith ships.
        ledger_url : str
            SQLAlchemy URL of a PostgreSQL database; SQLite inside the workspace by default.

        Raises
        ------
        WorkspaceError
            When the folder holds something else.
        ClassMapError
            When the class map cannot be read.
        """
        layout = Layout(Path(path))
        if layout.settings_file.exists():
            return cls.open(path)
        chosen = Path(class_map_path or shipped_configs() / "class_map.yaml")
        load_class_map(chosen)
        above = next(p for p in (layout.root, *layout.root.parents) if p.exists())
        if not above.is_dir():
            raise WorkspaceError(
                f"{layout.root}: {above} is a file, expected a folder; name another place for the "
                "workspace"
            )
        if layout.root.exists() and any(p for p in layout.root.iterdir() if not _ours(layout, p)):
            raise WorkspaceError(
                f"{layout.root}: holds other files; name a new or empty folder for the workspace"
            )
        layout.root.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(chosen, layout.class_map_file)
        _make_key(layout.key_file)
        # Written last: a folder with it is a whole workspace.
        settings = f"format: {_FORMAT}\nledger: {ledger_url or 'sqlite'}\n"
        write_file_atomically(layout.settings_file, settings.encode())
        return cls.open(path)

    @classmethod
    def open(cls, path: str | Path) -> "Workspace":
        """Open a workspace.

        Raises
        ------
        WorkspaceError
            When there is none, or it was made by a newer Masksmith.
        """
        layout = Layout(Path(path))
        settings = _read_settings(layout)
        class_map = load_class_map(layout.class_map_file)
        url = os.environ.get(_LEDGER_VARIABLE) or str(settings.get("ledger", "sqlite"))
        return cls(
            layout, class_map, Ledger(sqlite_url(layout.ledger_file) if url == "sqlite" else url)
        )

    @property
    def path(self) -> Path:
        """The workspace's folder."""
        return self.layout.root

    def cases(self, *, planted: bool = False) -> tuple[Case, ...]:
        """List every case, by id; planted ones only where they are asked for."""
        return self.ledger.cases(planted=planted)

    @cached_property
    def _cases_by_id(self) -> dict[str, Case]:
        return {}

    def case(self, case_id: str) -> Case:
        """Give one case.

        Raises
        ------
        NothingToDo
            When there is none of this id, with names that come close.
        """
        if case_id not in self._cases_by_id:
            self._cases_by_id.update({case.id: case for case in self.cases(planted=True)})
        if case_id not in self._cases_by_id:
            from difflib import get_close_matches

            close = get_close_matches(case_id, self._cases_by_id, n=3, cutoff=0.4)
            hint = f"; close: {', '.join(close)}" if close else "; see 'masksmith status --cases'"
            raise NothingToDo(f"no case {case_id!r} in {self.path}{hint}")
        return self._cases_by_id[case_id]

    def records(self, *, planted: bool = False) -> Iterator[CaseRecord]:
        """Go through every case with its masks and verdicts, by case id, in three queries.

        Parameters
        ----------
        planted : bool
            Also those of :mod:`qc.audit`: only for what people or rules look at.
        """
        every = self.ledger.masks(planted=planted)
        masks = {k: tuple(v) for k, v in groupby(every, key=lambda m: m.case_id)}
        verdicts: dict[str, list[Verdict]] = {}
        for verdict in self.ledger.verdicts(planted=planted):
            verdicts.setdefault(verdict.case_id, []).append(verdict)
        for case in self.cases(planted=planted):
            yield CaseRecord(case, masks.get(case.id, ()), tuple(verdicts.get(case.id, ())))

    def record(self, case_id: str) -> CaseRecord:
        """Give one case with its masks and verdicts; raises as :meth:`case`."""
        case = self.case(case_id)
        return CaseRecord(case, self.ledger.masks(case_id), self.ledger.verdicts(case_id))

    def excluded(self) -> set[str]:
        """List the cases that a person excluded."""
        by_case: dict[str, list[Verdict]] = {}
        for verdict in self.ledger.verdicts():
            by_case.setdefault(verdict.case_id, []).append(verdict)
        return {case_id for case_id, verdicts in by_case.items() if is_excluded(verdicts)}

    def ct(self, case_id: str) -> NDArray[np.int16]:
        """Read a case's CT: shape (I, J, K), int16 Hounsfield units, Fortran-ordered."""
        return read_ct(self.layout.ct(case_id), self.case(case_id))

    def masks(self, case_id: str, structure: str | None = None) -> tuple[Mask, ...]:
        """List the mask revisions of a case, oldest first."""
        return self.ledger.masks(case_id, structure)

    def in_force(self, case_id: str) -> dict[str, Mask]:
        """Give the masks in force of a case, by structure: the revisions that count."""
        return self.record(case_id).in_force()

    def accepted(self, case_id: str) -> dict[str, Mask]:
        """Give the masks in force of a case that a person accepted, by structure."""
        return self.record(case_id).accepted()

    def presence(self, case_id: str) -> dict[str, Presence]:
        """Tell for every structure of the class map whether it is in a case."""
        return self.record(case_id).presence(self.class_map.names)

    def verdicts(self, case_id: str | None = None) -> tuple[Verdict, ...]:
        """List verdicts, oldest first."""
        return self.ledger.verdicts(case_id)

    def mask_crop(self, mask: Mask) -> NDArray[np.bool_]:
        """Read a mask's voxels inside ``mask.box``: bool, Fortran-ordered."""
        stored, crop = read_mask(self.layout.mask(mask.case_id, mask.structure, mask.id))
        if stored.id != mask.id:
            raise WorkspaceError(f"mask {mask.id[:12]} of {mask.case_id}: its file holds another")
        return crop

    def mask_array(self, mask: Mask) -> NDArray[np.bool_]:
        """Read a mask on its case's whole grid: shape (I, J, K), bool, Fortran-ordered."""
        array = np.zeros(self.case(mask.case_id).grid.shape, np.bool_, order="F")
        array[mask.box] = self.mask_crop(mask)
        return array

    def label_map(
        self, case_id: str, masks: Mapping[str, Mask] | None = None
    ) -> NDArray[np.integer[Any]]:
        """Assemble masks into one label map.

        Parameters
        ----------
        case_id : str
        masks : mapping, optional
            Structure to mask; the masks in force by default.

        Returns
        -------
        ndarray, shape (I, J, K)
            Values of :attr:`class_map`, 0 where no mask is; Fortran-ordered. Where two
            masks claim a voxel, :func:`pipeline.workspace.in_force.paint_order` decides.
        """
        record = self.record(case_id)
        chosen = record.in_force() if masks is None else masks
        accepted = {mask.id for mask in record.accepted().values()}
        labels = np.zeros(record.case.grid.shape, self.class_map.dtype, order="F")
        for mask in paint_order(chosen, accepted):
            if mask.voxels:
                value = self.class_map[mask.structure].value
                np.copyto(labels[mask.box], value, where=self.mask_crop(mask), casting="unsafe")
        return labels

    def digest_in_force(self, case_id: str) -> str:
        """Give a digest that changes when any mask in force of the case changes."""
        return digest_of({name: mask.id for name, mask in self.in_force(case_id).items()})

    def pseudonym(self, kind: str, value: str) -> str:
        """Turn an identifier into a keyed hash: equal for equal values, not to be reversed.

        Parameters
        ----------
        kind : str
            Such as ``"patient"`` or ``"series"``; the same value of two kinds differs.
        value : str
        """
        return pseudonym(self.layout, kind, value)

    def record_case(self, case: Case) -> None:
        """Record a case whose files are written (driver only)."""
        self.ledger.add_case(case)
        self._cases_by_id.pop(case.id, None)

    def forget_planted(self, case_id: str) -> None:
        """Delete a planted case from the ledger; a real one is left as it is (driver only)."""
        self.ledger.remove_planted(case_id)
        self._cases_by_id.pop(case_id, None)

    def record_masks(self, masks: Iterable[Mask]) -> None:
        """Record masks whose files are written (driver only)."""
        self.ledger.add_masks(masks)

    def record_verdicts(self, verdicts: Sequence[Verdict], client_ids: Sequence[str] = ()) -> None:
        """Append verdicts: first as a file, then to the ledger (driver only)."""
        if verdicts:
            write_verdicts(self.layout, verdicts, client_ids)
            self.ledger.add_verdicts(verdicts)

    def record_round(self, round_: Round) -> None:
        """Record a round whose manifest is written (driver only)."""
        self.ledger.add_round(round_)

    @contextmanager
    def driver_lock(self, what: str) -> Iterator[None]:
        """Hold the right to change this workspace; the system frees it if the process dies.

        Raises
        ------
        WorkspaceBusy
            When another command holds it, naming that command and its process.
        """
        with driver_lock(self.layout, what):
            yield


def _read_settings(layout: Layout) -> dict[str, Any]:
    import yaml

    if not layout.settings_file.is_file():
        raise WorkspaceError(
            f"{layout.root}: no Masksmith workspace; make one with 'masksmith init {layout.root}'"
        )
    settings = yaml.safe_load(layout.settings_file.read_text())
    if not isinstance(settings, dict) or settings.get("format") != _FORMAT:
        raise WorkspaceError(
            f"{layout.settings_file}: expected 'format: {_FORMAT}', found {settings!r}; "
            "this workspace was made by another version of Masksmith"
        )
    return settings


def _ours(layout: Layout, path: Path) -> bool:
    # What an interrupted `create` leaves behind.
    return path in (layout.class_map_file, layout.key_file) or path.name.startswith(".")


def _make_key(path: Path) -> None:
    if path.exists():
        return
    with atomic_path(path) as partial:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_hex(32).encode())
