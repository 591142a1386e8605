"""Take planted cases out again; what people said of them is kept for the report."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pipeline.errors import NothingToDo
from pipeline.workspace import Layout, Workspace
from qc.audit.catching import rules_caught
from qc.audit.truth import PlantTruth, read_truths, write_truth
from qc.picture_history import history_dir


def remove_plants(workspace: Workspace, case_ids: Sequence[str] = ()) -> tuple[PlantTruth, ...]:
    """Take planted cases out of ledger, folder and gallery.

    Interrupted, it goes on where it stopped when it is called again. The caller holds the driver
    lock, and draws the gallery's page anew.

    Parameters
    ----------
    workspace : Workspace
    case_ids : sequence of str
        None: all.

    Raises
    ------
    NothingToDo
        If one of them is no planted case: real cases are never touched.
    """
    layout = workspace.layout
    planted = {truth.case_id: truth for truth in read_truths(layout.planted_dir)}
    strangers = [case_id for case_id in case_ids if case_id not in planted]
    if strangers:
        raise NothingToDo(
            f"{', '.join(strangers)}: not among the {len(planted)} planted cases; "
            "see 'masksmith audit list'"
        )
    return tuple(_remove(workspace, planted[case_id]) for case_id in case_ids or sorted(planted))


def _remove(workspace: Workspace, truth: PlantTruth) -> PlantTruth:
    layout, case_id = workspace.layout, truth.case_id
    kept = layout.removed_plants_dir / f"{case_id}.json"
    if not kept.is_file():
        said = workspace.ledger.verdicts(case_id)
        details = {**truth.details, "rules_caught": rules_caught(layout, truth)}
        write_truth(layout.removed_plants_dir, replace(truth, verdicts=said, details=details))
    workspace.forget_planted(case_id)
    shutil.rmtree(layout.case_dir(case_id), ignore_errors=True)
    for path in _drawn(layout, case_id):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    (layout.planted_dir / f"{case_id}.json").unlink(missing_ok=True)
    return truth


def _drawn(layout: Layout, case_id: str) -> list[Path]:
    """List what the gallery holds of a case: files and folders named after it."""
    gallery = layout.gallery_dir
    found = gallery.glob(f"*/{case_id}*")
    # Ids may hold points and dashes: neither `s1.2` nor `s1-2` is the case `s1`.
    own = [path for path in found if case_id == (path.name if path.is_dir() else path.stem)]
    earlier = history_dir(gallery).glob(f"{case_id}-*")
    return [*own, *(path for path in earlier if path.stem.rpartition("-")[0] == case_id)]
