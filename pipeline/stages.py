"""The stages in the order in which a CT travels through them.

Together with `pipeline.cli` the only file that knows all packages. It names the stage modules
without importing them, so that the command line can list them at once.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.stage import FileCommand, Stage


@dataclass(frozen=True, slots=True)
class StageRef:
    """Where a stage lives and what it does, known before its module is imported.

    Attributes
    ----------
    takes_files : bool
        Its command also works on a CT and a segmentation without a workspace;
        `pipeline.cli.<name>` builds it.
    """

    name: str
    module: str
    summary: str
    takes_files: bool = False

    def load(self) -> Stage:
        """Import the stage's module and return the `Stage` it exports.

        Raises
        ------
        TypeError
            The module's STAGE carries another name than this entry.
        """
        stage: Stage = _exported(self, "STAGE")
        return stage


@dataclass(frozen=True, slots=True)
class FileCommandRef:
    """Where a command on files lives and what it does, known before its module is imported."""

    name: str
    module: str
    summary: str

    def load(self) -> FileCommand:
        """Import the module and return the `FileCommand` it exports.

        Raises
        ------
        TypeError
            The module's COMMAND carries another name than this entry.
        """
        command: FileCommand = _exported(self, "COMMAND")
        return command


def _exported(ref: StageRef | FileCommandRef, constant: str) -> Any:
    exported = getattr(importlib.import_module(ref.module), constant)
    if exported.name != ref.name:
        raise TypeError(
            f"{ref.module} exports the {constant.lower()} {exported.name!r}, expected {ref.name!r}"
        )
    return exported


STAGES: tuple[StageRef, ...] = (
    StageRef(
        "intake",
        "pipeline.intake.intake",
        "Take CTs in: NIfTI, DICOM series, TotalSegmentator folders.",
    ),
    StageRef(
        "bootstrap",
        "pipeline.bootstrap.bootstrap",
        "Make first masks with the models that exist already.",
    ),
    StageRef(
        "transfer-heart",
        "pipeline.transfer.transfer_heart",
        "Carry hearts from contrast to native scans, train on both, predict all.",
    ),
    StageRef(
        "import-rough",
        "annotation.import_rough",
        "Bring in what was drawn elsewhere: Slicer, ITK-SNAP, MITK, Nora, RTSTRUCT, DICOM SEG.",
    ),
    StageRef(
        "retrain",
        "training.retrain",
        "Train nnU-Net on what was accepted and predict the other cases.",
    ),
    StageRef(
        "train-final",
        "training.train_final",
        "Train the final nnU-Net models on all that was decided, and pack them.",
    ),
    StageRef(
        "evaluate",
        "training.evaluate",
        "Score predictions against truth: Dice and NSD, with intervals by patient.",
    ),
    StageRef(
        "stats",
        "qc.stats",
        "Measure volume, Hounsfield units and place of every structure.",
        takes_files=True,
    ),
    StageRef(
        "plausibility",
        "qc.plausibility.plausibility",
        "Find what cannot be: rules of anatomy, density and size on every case's masks.",
        takes_files=True,
    ),
    StageRef("gallery", "qc.gallery", "Draw one picture per case and a page to look through them."),
)

# They work on files, not on a workspace (docs/decisions/0039): the same four places, no ledger.
FILE_COMMANDS: tuple[FileCommandRef, ...] = (
    FileCommandRef(
        "predict",
        "training.predict",
        "Segment CTs with trained models: files in, label maps out.",
    ),
    FileCommandRef(
        "preview",
        "qc.preview",
        "Draw a CT and its segmentation as one picture: files in, PNG out.",
    ),
    FileCommandRef(
        "simulate",
        "pipeline.simulation.simulate",
        "Try strategies on synthetic bodies before people's time is spent.",
    ),
)

# They run until they are told to stop; settings and names as of a command on files.
SERVICES: tuple[FileCommandRef, ...] = (
    FileCommandRef(
        "serve",
        "annotation.server.serve",
        "Serve the workbench: worklist, editor, gallery.",
    ),
)
