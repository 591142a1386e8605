import pytest
from pydantic import ValidationError

from pipeline.anatomy import shipped_configs
from pipeline.errors import UsageError
from pipeline.stage import load_settings
from training.profile import Profile, load_profile
from training.retrain import STAGE

NETWORK = {"patch_size": (32, 32, 32), "features": (8, 16)}


def test_shipped_profiles_never_mirror_and_grow_in_size():
    settings = load_settings(STAGE, shipped_configs(), {})
    assert list(settings.profiles) == ["tiny", "small", "workstation", "full"]
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
