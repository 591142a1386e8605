import json
import shutil

import pytest

from pipeline.anatomy import load_class_map, shipped_configs
from pipeline.errors import BadInput, MissingDependency, UsageError
from tests.fixtures.pretended_models import write_pretended_model
from training.nnunet_model import export_zip, open_model
from training.part_models import choose_models, find_models

CLASS_MAP = load_class_map(shipped_configs() / "class_map.yaml")
ALL = {"fast": False, "complete": False}


def hu(*names):
    return dict.fromkeys(names, (0, 1))


def found(*paths, tmp_path):
    return find_models(paths, tmp_path / "unpacked")


def test_models_are_found_in_folders_below_and_in_zips(tmp_path):
    write_pretended_model(
        tmp_path / "set" / "organs", hu("liver", "spleen"), card={"part": "organs"}
    )
    model = write_pretended_model(tmp_path / "bones", hu("sacrum"), spacing_mm=3.0)
    (tmp_path / "set" / "bones").mkdir()
    export_zip(open_model(model), tmp_path / "set" / "bones" / "model.zip")
    models = found(tmp_path / "set", tmp_path=tmp_path)
    by_name = {part.structures: part for part in models}
    assert set(by_name) == {("liver", "spleen"), ("sacrum",)}
    assert by_name["liver", "spleen"].is_one_of_several
    assert by_name["liver", "spleen"].spacing_mm == (5.0, 5.0, 5.0)
    assert by_name[("sacrum",)].spacing_mm == (3.0, 3.0, 3.0)


def test_a_zip_beside_what_it_was_packed_from_is_not_a_second_model(tmp_path):
    model = write_pretended_model(tmp_path / "final" / "nnunet", hu("liver"))
    export_zip(open_model(model), tmp_path / "final" / "model.zip")
    assert len(found(tmp_path / "final", tmp_path=tmp_path)) == 1


def test_the_finest_spacing_is_taken_and_the_coarsest_to_go_fast(tmp_path):
    write_pretended_model(tmp_path / "a", hu("liver"), spacing_mm=1.5)
    write_pretended_model(tmp_path / "b", hu("aorta"), spacing_mm=1.5)
    write_pretended_model(tmp_path / "c", hu("liver", "aorta"), spacing_mm=3.0)
    models = found(tmp_path, tmp_path=tmp_path)
    fine = choose_models(models, CLASS_MAP, (), **ALL)
    assert [part.structures for part in fine] == [("liver",), ("aorta",)]
    fast = choose_models(models, CLASS_MAP, (), fast=True, complete=False)
    assert [part.structures for part in fast] == [("liver", "aorta")]


def test_the_order_of_models_is_that_of_the_class_map(tmp_path):
    for name in ("sacrum", "aorta", "liver"):
        write_pretended_model(tmp_path / name, hu(name))
    models = found(tmp_path, tmp_path=tmp_path)
    for order in (models, models[::-1]):
        chosen = choose_models(order, CLASS_MAP, (), **ALL)
        assert [part.structures[0] for part in chosen] == ["liver", "aorta", "sacrum"]


def test_only_the_models_that_are_needed_are_run(tmp_path):
    write_pretended_model(tmp_path / "a", hu("liver", "spleen"))
    write_pretended_model(tmp_path / "b", hu("sacrum"))
    models = found(tmp_path, tmp_path=tmp_path)
    (part,) = choose_models(models, CLASS_MAP, ("spleen",), **ALL)
    assert part.structures == ("liver", "spleen")


def test_a_missing_part_is_named_beside_what_is_there(tmp_path):
    names = [s.name for s in CLASS_MAP.in_part("vertebrae")]
    write_pretended_model(tmp_path / "v", hu(*names), card={"part": "vertebrae"})
    models = found(tmp_path, tmp_path=tmp_path)
    with pytest.raises(MissingDependency) as caught:
        choose_models(models, CLASS_MAP, (), **ALL)
    said = str(caught.value)
    assert "no model for organs (all 17), cardiac (all 18)" in said
    assert "there are models for vertebrae (all 24)" in said
    assert "--structures" in said
    (only,) = choose_models(models, CLASS_MAP, ("vertebrae_L1",), **ALL)
    assert only.structures == tuple(names)


def test_what_was_asked_for_and_is_in_no_model_is_named(tmp_path):
    write_pretended_model(tmp_path / "a", hu("liver"))
    models = found(tmp_path, tmp_path=tmp_path)
    with pytest.raises(MissingDependency, match="no model for spleen; there are models for liver"):
        choose_models(models, CLASS_MAP, ("liver", "spleen"), **ALL)


def test_one_structure_in_two_models_is_refused(tmp_path):
    write_pretended_model(tmp_path / "a", hu("liver"))
    write_pretended_model(tmp_path / "b", hu("liver", "aorta"))
    models = found(tmp_path, tmp_path=tmp_path)
    with pytest.raises(UsageError, match=r"liver is in two models, .*a.* and .*b"):
        choose_models(models, CLASS_MAP, (), **ALL)


def test_structures_of_another_class_map_are_refused(tmp_path):
    write_pretended_model(tmp_path / "a", hu("liver", "vertebrae_L6"))
    models = found(tmp_path, tmp_path=tmp_path)
    with pytest.raises(BadInput, match="vertebrae_L6 not in the class map masksmith_104"):
        choose_models(models, CLASS_MAP, (), **ALL)


def test_nothing_there_is_a_missing_dependency(tmp_path):
    with pytest.raises(MissingDependency, match="no such model"):
        found(tmp_path / "gone", tmp_path=tmp_path)
    with pytest.raises(MissingDependency, match="no trained nnU-Net model in it"):
        found(tmp_path, tmp_path=tmp_path)


@pytest.mark.parametrize("damage", ["cut", "flipped", "text"])
def test_a_damaged_checkpoint_is_found_before_anything_runs(tmp_path, damage):
    model = write_pretended_model(tmp_path / "a", hu("liver"))
    path = model / "fold_0" / "checkpoint_final.pth"
    whole = bytearray(path.read_bytes())
    if damage == "flipped":
        whole[60] ^= 0xFF
    damaged = {"cut": whole[: len(whole) // 2], "flipped": whole, "text": b"nonsense"}[damage]
    path.write_bytes(bytes(damaged))
    with pytest.raises(BadInput, match=r"checkpoint_final\.pth: damaged checkpoint"):
        found(tmp_path / "a", tmp_path=tmp_path)


def test_plans_that_name_a_foreign_network_are_refused(tmp_path):
    model = write_pretended_model(tmp_path / "a", hu("liver"))
    plans = json.loads((model / "plans.json").read_text())
    plans["configurations"]["base"]["architecture"]["network_class_name"] = "os.system"
    (model / "plans.json").write_text(json.dumps(plans))
    with pytest.raises(BadInput, match=r"'os\.system' is not one of nnU-Net's"):
        found(tmp_path / "a", tmp_path=tmp_path)


def test_plans_without_a_spacing_and_half_a_card_are_refused(tmp_path):
    model = write_pretended_model(tmp_path / "a", hu("liver"))
    (model / "plans.json").write_text('{"configurations": {}}')
    (part,) = found(tmp_path / "a", tmp_path=tmp_path)
    with pytest.raises(BadInput, match="no spacing of 3d_fullres"):
        _ = part.spacing_mm
    shutil.rmtree(tmp_path / "a")
    model = write_pretended_model(tmp_path / "a", hu("liver"), card={})
    (tmp_path / "a" / "model_card.json").write_text('{"part": ')
    with pytest.raises(BadInput, match="not a readable model card"):
        found(tmp_path / "a", tmp_path=tmp_path)
