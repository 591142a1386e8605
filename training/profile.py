"""How large a training is: a profile, from minutes on a CPU to days on a GPU."""

import hashlib
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipeline.anatomy import shipped_configs
from pipeline.errors import UsageError

OWN_TRAINER = "MasksmithTrainer"
OWN_CONFIGURATION = "3d_masksmith"
PARTIAL_LABELS = "_PartialLabels"
TRAINERS_WITH_PARTIAL_LABELS = (
    OWN_TRAINER,
    "nnUNetTrainerNoMirroring",
    "nnUNetTrainer_250epochs_NoMirroring",
    "nnUNetTrainer_2000epochs_NoMirroring",
    "nnUNetTrainer_4000epochs_NoMirroring",
    "nnUNetTrainer_8000epochs_NoMirroring",
)
UNET = "dynamic_network_architectures.architectures.unet.PlainConvUNet"
PLANS_OF_PLANNER = {
    "ExperimentPlanner": "nnUNetPlans",
    "nnUNetPlannerResEncM": "nnUNetResEncUNetMPlans",
    "nnUNetPlannerResEncL": "nnUNetResEncUNetLPlans",
    "nnUNetPlannerResEncXL": "nnUNetResEncUNetXLPlans",
}


class SmallNetwork(BaseModel):
    """A network of fixed size, where nnU-Net's own plan would be too much for the machine."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    patch_size: tuple[int, int, int] = Field(
        description="Voxels along z, y, x; cut down to what the cases need"
    )
    batch_size: int = Field(2, ge=1, description="Patches per step")
    features: tuple[int, ...] = Field(description="Channels per resolution stage")
    convolutions: int = Field(1, ge=1, description="Convolutions per stage, down and up")

    def plan_changes(self) -> dict[str, Any]:
        """Give the plans entry that replaces parts of ``3d_fullres``."""
        stages = len(self.features)
        return {
            "batch_size": self.batch_size,
            "patch_size": list(self.patch_size),
            "batch_dice": True,
            "architecture": {
                "network_class_name": UNET,
                "arch_kwargs": {
                    "n_stages": stages,
                    "features_per_stage": list(self.features),
                    "conv_op": "torch.nn.modules.conv.Conv3d",
                    "kernel_sizes": [[3, 3, 3]] * stages,
                    "strides": [[1, 1, 1]] + [[2, 2, 2]] * (stages - 1),
                    "n_conv_per_stage": [self.convolutions] * stages,
                    "n_conv_per_stage_decoder": [self.convolutions] * (stages - 1),
                    "conv_bias": True,
                    "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
                    "norm_op_kwargs": {"eps": 1e-5, "affine": True},
                    "dropout_op": None,
                    "dropout_op_kwargs": None,
                    "nonlin": "torch.nn.LeakyReLU",
                    "nonlin_kwargs": {"inplace": True},
                },
                "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
            },
        }


class ShortTraining(BaseModel):
    """Settings of our own trainer; see ``training/nnunet_trainers``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    epochs: int = Field(4, ge=1, description="Epochs; a checkpoint is written after each")
    iterations: int = Field(50, ge=1, description="Steps per epoch")
    validation_iterations: int = Field(1, ge=1, description="Validation steps per epoch")
    learning_rate: float = Field(3e-3, gt=0, description="Peak learning rate of AdamW")
    weight_decay: float = Field(1e-4, ge=0, description="Weight decay of AdamW")
    oversampling: float = Field(0.66, ge=0, le=1, description="Share of patches around a structure")
    deep_supervision: bool = Field(True, description="Loss at coarser stages too")
    augment: bool = Field(False, description="nnU-Net's augmentation, never with mirroring")
    quick_augment: bool = Field(
        True, description="Small turns, sizes and exposures in torch; not beside `augment`"
    )
    voxels_per_structure: int = Field(
        300,
        ge=0,
        description="Voxels of each structure drawn for the loss; 0 = nnU-Net's loss on all voxels",
    )
    bfloat16: bool = Field(
        True, description="Train in bfloat16 on processors that compute with it (twice as fast)"
    )
    seed: int = Field(1234, ge=0, description="Starts network, patches and augmentation")


class Profile(BaseModel):
    """One complete recipe for a model."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    trainer: str = Field(OWN_TRAINER, description="nnU-Net trainer class, without mirroring")
    planner: str = Field("ExperimentPlanner", description="nnU-Net planner class")
    spacing_mm: float | None = Field(
        None, gt=0, description="Isotropic spacing of training and prediction; none = the data's"
    )
    network: SmallNetwork | None = Field(None, description="Fixed network; none = nnU-Net's plan")
    training: ShortTraining | None = Field(None, description="For our own trainer only")
    validate_: bool = Field(
        False, alias="validate", description="nnU-Net's full validation after training"
    )
    device: str = Field("gpu", description="cpu, gpu or gpu:N")
    threads: int = Field(2, ge=1, description="Torch threads")
    processes: int = Field(1, ge=1, description="Processes for fingerprint and preprocessing")
    data_workers: int = Field(0, ge=0, description="Augmentation processes; 0 = none beside")
    gpu_memory_gb: float | None = Field(None, gt=0, description="What nnU-Net plans for")
    tile_step: float = Field(0.5, gt=0, le=1, description="Sliding window step at prediction")

    @model_validator(mode="after")
    def _fits_together(self) -> "Profile":
        is_own = self.trainer.removesuffix(PARTIAL_LABELS) == OWN_TRAINER
        if "mirror" not in self.trainer.lower() and not is_own:
            raise ValueError(
                f"trainer {self.trainer} mirrors, and then left and right cannot be told apart: "
                f"use {OWN_TRAINER} or one of nnU-Net's *NoMirroring trainers"
            )
        if (self.training is not None) != is_own:
            raise ValueError(f"'training' goes with {OWN_TRAINER} and with no other trainer")
        if self.planner not in PLANS_OF_PLANNER:
            raise ValueError(f"planner {self.planner} is unknown: {', '.join(PLANS_OF_PLANNER)}")
        return self

    @property
    def configuration(self) -> str:
        """Name of the plans entry that is trained."""
        return "3d_fullres" if self.network is None else OWN_CONFIGURATION

    @property
    def plans_name(self) -> str:
        """Name of the plans file that the planner writes."""
        return PLANS_OF_PLANNER[self.planner]

    @property
    def learns_partial_labels(self) -> bool:
        """Whether its trainer can learn from cases in which a structure is undecided."""
        return self.trainer.endswith(PARTIAL_LABELS)

    def for_partial_labels(self) -> "Profile":
        """Give this recipe with the form of its trainer for partly decided cases.

        Raises
        ------
        UsageError
            If its trainer has none.
        """
        if self.learns_partial_labels:
            return self
        if self.trainer not in TRAINERS_WITH_PARTIAL_LABELS:
            raise UsageError(
                f"trainer {self.trainer} cannot learn from cases in which a structure is "
                f"undecided; those that can: {', '.join(TRAINERS_WITH_PARTIAL_LABELS)}. Use one "
                "of them, or --undecided leave_out_structure or leave_out_case"
            )
        return self.model_copy(update={"trainer": self.trainer + PARTIAL_LABELS})

    @property
    def digest(self) -> str:
        """Sha256 (hex) of what decides the model; device, threads and processes do not."""
        deciding = self.model_dump_json(
            exclude={"device", "threads", "processes", "data_workers", "validate_", "tile_step"}
        )
        return hashlib.sha256(deciding.encode()).hexdigest()


def load_profile(name: str, configs: Path | None = None) -> Profile:
    """Read one profile from ``retrain.yaml``.

    Parameters
    ----------
    name : str
        Such as ``tiny``.
    configs : Path, optional
        The settings folder; the shipped one by default.

    Raises
    ------
    UsageError
        If there is no such profile or it is not valid.
    """
    path = (configs or shipped_configs()) / "retrain.yaml"
    try:
        profiles = yaml.safe_load(path.read_text())["profiles"]
        return Profile.model_validate(profiles[name])
    except KeyError:
        raise UsageError(f"{path}: no profile '{name}'") from None
    except (OSError, TypeError, yaml.YAMLError, ValidationError) as error:
        raise UsageError(f"{path}: profile '{name}' cannot be read ({error})") from error
