import pytest
from pydantic import ValidationError

from pipeline.anatomy import shipped_configs
from pipeline.errors import UsageError
from pipeline.stage import load_settings
from training.nnunet_process import TRAINERS
from training.profile import PARTIAL_LABELS, TRAINERS_WITH_PARTIAL_LABELS, Profile, load_profile
from training.retrain import STAGE

NETWORK = {"patch_size": (32, 32, 32), "features": (8, 16)}


def test_shipped_profiles_never_mirror_and_grow_in_size():
    settings = load_settings(STAGE, shipped_configs(), {})
    assert list(settings.profiles) == ["tiny", "small", "workstation", "full_3mm", "full"]
    assert settings.profile in settings.profiles
    for profile in settings.profiles.values():
        assert profile.trainer == "MasksmithTrainer" or profile.trainer.endswith("NoMirroring")
    assert settings.profiles["full"].spacing_mm == 1.5
    assert settings.profiles["full"].network is None


def test_stock_trainers_of_the_profiles_exist_in_nnunet():
    from nnunetv2.utilities.find_objects import recursive_find_trainer_class_by_name

    settings = load_settings(STAGE, shipped_configs(), {})
    stock = {p.trainer for p in settings.profiles.values()} - {"MasksmithTrainer"}
    assert {recursive_find_trainer_class_by_name(name).__name__ for name in stock} == stock


@pytest.mark.parametrize("stock", TRAINERS_WITH_PARTIAL_LABELS)
def test_nnunet_finds_the_partial_form_of_a_trainer_by_name(stock):
    """As it looks for it: with our folder on the path and our files under other names."""
    from nnunetv2.utilities.find_class_by_name import recursive_find_python_class

    name, folder = stock + PARTIAL_LABELS, str(TRAINERS)
    found = recursive_find_python_class(
        folder, name, None, base_folder=folder, cleanup_imports_from_base_folder=True
    )
    assert found.__name__ == name
    assert found.__module__ == "masksmith.partial_labels"
    assert found.__bases__[1].__name__ == stock


def test_a_profile_takes_the_partial_form_of_its_trainer():
    own = load_profile("tiny").for_partial_labels()
    assert own.trainer == "MasksmithTrainer_PartialLabels"
    assert own.learns_partial_labels
    assert own.for_partial_labels() is own
    assert Profile.model_validate(own.model_dump(by_alias=True)) == own
    assert own.digest != load_profile("tiny").digest
    assert not load_profile("full").learns_partial_labels
    stock = load_profile("full").for_partial_labels()
    assert stock.trainer == "nnUNetTrainerNoMirroring_PartialLabels"


def test_a_trainer_without_a_partial_form_is_refused_with_what_to_do():
    profile = Profile(trainer="TheirTrainer_NoMirroring")
    with pytest.raises(UsageError, match="leave_out_structure") as caught:
        profile.for_partial_labels()
    assert "TheirTrainer_NoMirroring cannot learn" in str(caught.value)


def test_an_ordinary_trainer_never_gets_undecided_structures(tmp_path, workspace):
    from training.model_training import TrainingPlan, train_model
    from training.nnunet_dataset import DatasetSettings, TrainingCase

    class_map = workspace.class_map.subset(("liver",))
    plan = TrainingPlan(
        tmp_path, "x", class_map, load_profile("tiny"), DatasetSettings(), record={}
    )
    case = TrainingCase("c", "p", lambda: None, undecided=frozenset({"liver"}))
    with pytest.raises(ValueError, match="for_partial_labels"):
        train_model(plan, [case], lambda _: None)


def test_a_mirroring_trainer_is_refused():
    with pytest.raises(ValidationError, match="left and right cannot be told apart"):
        Profile(trainer="nnUNetTrainer")


def test_short_training_settings_belong_to_our_trainer_only():
    with pytest.raises(ValidationError, match="goes with MasksmithTrainer"):
        Profile.model_validate({"trainer": "nnUNetTrainerNoMirroring", "training": {"epochs": 2}})
    with pytest.raises(ValidationError, match="goes with MasksmithTrainer"):
        Profile.model_validate({"network": NETWORK})


def test_the_digest_follows_what_decides_the_model():
    values = {"network": NETWORK, "training": {"epochs": 2}}
    profile = Profile.model_validate(values)
    assert profile.model_copy(update={"device": "cpu", "threads": 9}).digest == profile.digest
    assert profile.model_copy(update={"spacing_mm": 3.0}).digest != profile.digest


def test_a_network_becomes_a_plans_entry():
    profile = Profile.model_validate({"network": NETWORK, "training": {}})
    changes = profile.network.plan_changes()
    kwargs = changes["architecture"]["arch_kwargs"]
    assert profile.configuration == "3d_masksmith"
    assert kwargs["n_stages"] == 2
    assert kwargs["strides"] == [[1, 1, 1], [2, 2, 2]]
    assert len(kwargs["n_conv_per_stage_decoder"]) == 1


def test_a_profile_is_read_by_name(tmp_path):
    assert load_profile("tiny").trainer == "MasksmithTrainer"
    with pytest.raises(UsageError, match="no profile 'huge'"):
        load_profile("huge")
    (tmp_path / "retrain.yaml").write_text("profiles: {bad: {trainer: nnUNetTrainer}}")
    with pytest.raises(UsageError, match="profile 'bad' cannot be read"):
        load_profile("bad", tmp_path)
