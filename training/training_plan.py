"""Everything that decides one training, and where it lies."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.anatomy import ClassMap
from training.nnunet_dataset import DatasetSettings
from training.nnunet_model import NnunetModel
from training.nnunet_process import NnunetFolders
from training.profile import Profile

DATASET_NUMBER = 501


@dataclass(frozen=True, slots=True)
class WarmStart:
    """The model whose weights a training starts from.

    Attributes
    ----------
    model : NnunetModel
    weights : str
        Expected digest of its weights.
    """

    model: NnunetModel
    weights: str

    def to_job(self) -> dict[str, str]:
        """Say it to the subprocess."""
        folder = self.model.folder.resolve()
        checkpoint = folder / f"fold_{self.model.folds[0]}" / self.model.checkpoint
        return {"model": str(folder), "checkpoint": str(checkpoint), "weights": self.weights}


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """Everything that decides one training.

    Attributes
    ----------
    folder : Path
        Receives nnU-Net's three folders, the marks and the log.
    name : str
        Ends the nnU-Net dataset name: letters, digits, underscore.
    class_map : ClassMap
        Values 1..n.
    record : mapping
        Written beside the model, such as the manifest's digest.
    warm_start : WarmStart or None
        Where the weights come from; None starts from random ones.
    dataset_number : int
        nnU-Net's; models that are installed side by side need numbers of their own.
    """

    folder: Path
    name: str
    class_map: ClassMap
    profile: Profile
    dataset: DatasetSettings
    record: dict[str, Any]
    warm_start: WarmStart | None = None
    dataset_number: int = DATASET_NUMBER

    @property
    def dataset_name(self) -> str:
        """Name of the nnU-Net dataset."""
        return f"Dataset{self.dataset_number:03d}_{self.name}"

    @property
    def nnunet(self) -> NnunetFolders:
        """nnU-Net's folders."""
        return NnunetFolders(self.folder / "nnunet")

    @property
    def log(self) -> Path:
        """What nnU-Net printed."""
        return self.folder / "nnunet.log"

    @property
    def model_folder(self) -> Path:
        """Where nnU-Net writes the model."""
        name = f"{self.profile.trainer}__{self.profile.plans_name}__{self.profile.configuration}"
        return self.nnunet.results / self.dataset_name / name
