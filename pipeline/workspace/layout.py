"""Where everything in a workspace lies: every path is made in this file."""

import re
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import BadInput

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def check_id(name: str, what: str) -> str:
    """Give the name back if it may stand in a path.

    Raises
    ------
    BadInput
        When it holds anything but letters, digits, dot, underscore and dash.
    """
    if not _ID.fullmatch(name) or ".." in name:
        raise BadInput(
            f"{what} {name!r} is no valid name: use up to 64 letters, digits, '.', '_' or '-', "
            "beginning with a letter or digit"
        )
    return name


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths of a workspace, by what lies there."""

    root: Path

    @property
    def settings_file(self) -> Path:
        """The workspace's own description (format, ledger URL)."""
        return self.root / "workspace.yaml"

    @property
    def class_map_file(self) -> Path:
        """The class map this workspace was made with."""
        return self.root / "class_map.yaml"

    @property
    def key_file(self) -> Path:
        """The secret that turns identifiers into pseudonyms; readable by its owner only."""
        return self.root / "pseudonym.key"

    @property
    def ledger_file(self) -> Path:
        """The SQLite index."""
        return self.root / "ledger.sqlite"

    @property
    def lock_file(self) -> Path:
        """Held by the one command that changes the workspace."""
        return self.root / "driver.lock"

    @property
    def cases_dir(self) -> Path:
        """One folder per case."""
        return self.root / "cases"

    def case_dir(self, case_id: str) -> Path:
        """Everything of one case."""
        return self.cases_dir / check_id(case_id, "case")

    def ct(self, case_id: str) -> Path:
        """Give the path of the CT in Hounsfield units."""
        return self.case_dir(case_id) / "ct.nii.gz"

    def case_file(self, case_id: str) -> Path:
        """Give the path of the case's record, written after its CT."""
        return self.case_dir(case_id) / "case.json"

    def masks_dir(self, case_id: str) -> Path:
        """One folder per structure."""
        return self.case_dir(case_id) / "masks"

    def mask(self, case_id: str, structure: str, mask_id: str) -> Path:
        """One immutable revision of one mask."""
        folder = self.masks_dir(case_id) / check_id(structure, "structure")
        return folder / f"{mask_id[:12]}.nii.gz"

    def findings_dir(self, case_id: str) -> Path:
        """Give the folder of what each stage noticed about a case, one file per maker."""
        return self.case_dir(case_id) / "findings"

    def overlaps(self, case_id: str) -> Path:
        """Give the path of bootstrap's report on masks of the case that claim the same voxels."""
        return self.case_dir(case_id) / "overlaps.json"

    @property
    def verdicts_dir(self) -> Path:
        """Every acknowledged batch of verdicts as a file."""
        return self.root / "verdicts"

    @property
    def rounds_dir(self) -> Path:
        """One folder per active-learning round."""
        return self.root / "rounds"

    def round_dir(self, number: int) -> Path:
        """Manifest, data, model and logs of one round."""
        return self.rounds_dir / str(int(number))

    def manifest(self, number: int) -> Path:
        """Give the path of what a round was trained on, frozen."""
        return self.round_dir(number) / "manifest.json"

    def next_cases(self, number: int) -> Path:
        """Give the path of which cases were chosen to be corrected after a round, and why."""
        return self.round_dir(number) / "next_cases.json"

    def promotion(self, number: int) -> Path:
        """Give the path of how a round compares with the earlier ones, structure by structure."""
        return self.round_dir(number) / "promotion.json"

    @property
    def validation_file(self) -> Path:
        """The patients that no round is ever trained on."""
        return self.rounds_dir / "validation.json"

    @property
    def models_dir(self) -> Path:
        """Model cards as they were used, and approvals of foreign weights."""
        return self.root / "models"

    def final_model_dir(self, name: str) -> Path:
        """Give the folder of a final model, or of its body parts."""
        return self.models_dir / check_id(f"final-{name}", "model")

    def evaluation_dir(self, name: str) -> Path:
        """Give the folder of an evaluation: tables and figures."""
        return self.root / "evaluations" / check_id(name, "evaluation")

    @property
    def gallery_dir(self) -> Path:
        """The static gallery."""
        return self.root / "gallery"

    @property
    def drafts_dir(self) -> Path:
        """Strokes that the server has acknowledged and that are not in a revision yet."""
        return self.root / "drafts"

    def draft(self, case_id: str, structure: str, author: str) -> Path:
        """Give the path of a person's draft of one mask; the person stands as a digest."""
        folder = self.drafts_dir / check_id(case_id, "case") / check_id(structure, "structure")
        return folder / f"{check_id(author, 'author')}.journal"

    @property
    def server_dir(self) -> Path:
        """What `masksmith serve` knows that the ledger does not: people, sessions, leases."""
        return self.root / "server"

    @property
    def serving_lock_file(self) -> Path:
        """Held by the one server of the workspace, and by whoever replaces the ledger."""
        return self.root / "serving.lock"

    @property
    def scratch_dir(self) -> Path:
        """Work files that may be deleted whenever no command runs."""
        return self.root / "scratch"

    @property
    def mask_changes(self) -> Path:
        """Comparisons of masks with what they were made from; computed anew when deleted."""
        return self.scratch_dir / "mask_changes.json"
