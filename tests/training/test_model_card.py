import numpy as np
import pytest
import yaml

from pipeline.bootstrap.card_file import read_card
from pipeline.volume import Grid
from training.final_metrics import Row, measure_case, summary_of, write_table
from training.model_card import ModelCard, bootstrap_card, markdown

GRID = Grid((10, 10, 10), np.diag([2.0, 2.0, 2.0, 1.0]))
VALUES = {"liver": 1, "spleen": 2, "colon": 3}


def rows() -> list[Row]:
    return [
        Row("a", "val", "liver", 0.8, 0.9, 10.0, 9.0),
        Row("b", "val", "liver", 0.0, 0.0, 10.0, 0.0),
        Row("a", "val", "spleen", None, None, 0.0, 1.5),
        Row("b", "val", "spleen", None, None, 0.0, 0.0),
    ]


def card(**changes: object) -> ModelCard:
    values: dict[str, object] = {
        "name": "final-3mm",
        "part": None,
        "profile": None,
        "class_map": {"name": "two", "digest": "d" * 64},
        "structures": {
            "liver": {"value": 1, "training_cases": 9},
            "spleen": {"value": 2, "training_cases": 8},
        },
        "network": {
            "trainer": "nnUNetTrainer_8000epochs_NoMirroring", "plans": "nnUNetPlans",
            "configuration": "3d_fullres", "patch_size": [128, 112, 96], "batch_size": 2,
            "spacing_mm": 3.0, "tile_step": 0.5, "dataset_number": 510,
        },
        "training": {"epochs": 8000, "seconds": 360_000.0},
        "data": {
            "manifest_digest": "m" * 64, "cases": {"train": 9, "val": 2, "test": 1},
            "patients": {"train": 8, "val": 2, "test": 1}, "left_out_structures": {},
            "left_out_cases": 0, "undecided_pairs": 0,
        },
        "origins": {"all": {"human": 15, "model": 5}, "liver": {"human": 15}},
        "sources": [
            {"source": "ribseg", "masks": 5, "known_bias": "lacks the rib heads",
             "share_by_structure": {"spleen": 0.625}},
        ],
        "metrics": summary_of(rows(), ["liver", "spleen"]),
        "licence": "CC-BY-4.0",
        "citation": "Doe 2026",
        "software": {"nnunetv2": "2.8.1"},
        "weights_digest": "e" * 64,
        "model_digest": "f" * 64,
        "created": "2026-11-25",
    }  # fmt: skip
    return ModelCard(**(values | changes))  # type: ignore[arg-type]


def test_the_card_says_what_a_user_must_know():
    text = markdown(card())
    for words in (
        "| trainer | `nnUNetTrainer_8000epochs_NoMirroring`, 8000 epochs, 100 hours |",
        "Validation: 2 cases, 2 present structures: mean Dice 0.400, NSD at 3 mm 0.450; "
        "1 missed (count 0); 1 of 2 absent ones found all the same.",
        "20 masks: 15 human (75 %), 5 model (25 %)",
        "- **ribseg**, uncorrected in 5 of them: spleen 62 %. Known bias: lacks the rib heads",
        "nnUNetv2_predict -i IN -o OUT -d 510 -f 0 -tr nnUNetTrainer_8000epochs_NoMirroring",
        "mirroring | none",
    ):
        assert words in text
    assert "not for use on patients" not in text


def test_a_small_model_is_never_taken_for_the_real_one():
    small = card(name="final-3mm-tiny", profile="tiny")
    assert "**Made with the small recipe `tiny`" in markdown(small)
    said = bootstrap_card(small, "/models/model.zip", 55)
    assert "small recipe tiny" in said["summary"]
    assert "not for use on patients" in said["known_bias"]


@pytest.mark.parametrize("name", ["final-3mm", "final-1.5mm-ribs"])
def test_the_bootstrap_card_is_one_that_bootstrap_reads(tmp_path, name):
    said = bootstrap_card(card(name=name), str(tmp_path / "model.zip"), 55)
    path = tmp_path / f"{name}.yaml"
    path.write_text(yaml.safe_dump(said))
    read = read_card(path).card
    assert read.labels == {1: "liver", 2: "spleen"}
    assert (read.spacing_mm, read.priority, read.licence) == ((3.0, 3.0, 3.0), 55, "CC-BY-4.0")
    assert read.known_bias == "as ribseg: lacks the rib heads"
    assert read.weights.sha256 == "f" * 64


def test_dice_nsd_and_volumes_of_known_boxes():
    truth, found = np.zeros((10, 10, 10), np.uint8), np.zeros((10, 10, 10), np.uint8)
    truth[1:5, 1:5, 1:5] = 1
    found[2:6, 1:5, 1:5] = 1
    truth[7:9, 7:9, 7:9] = 2
    found[0, 9, 9] = 3
    measured = measure_case(truth, found, GRID, VALUES)
    assert measured["liver"]["dice"] == pytest.approx(0.75)
    assert measured["liver"]["nsd"] == pytest.approx(1.0)  # one voxel of 2 mm is within 3 mm
    assert measured["spleen"] == {
        "dice": 0.0, "nsd": 0.0, "truth_ml": pytest.approx(0.064), "prediction_ml": 0.0,
    }  # fmt: skip
    assert measured["colon"] == {
        "dice": None, "nsd": None, "truth_ml": 0.0, "prediction_ml": pytest.approx(0.008),
    }  # fmt: skip


def test_missed_ones_count_as_nought_and_false_ones_are_counted_apart():
    found = summary_of(rows(), ["liver", "spleen"])["val"]
    assert found["all"] == {
        "present": 2, "dice": 0.4, "nsd": 0.45, "missed": 1, "absent": 2,
        "found_though_absent": 1, "found_though_absent_ml": 1.5,
    }  # fmt: skip
    assert found["structures"]["spleen"]["dice"] is None


def test_the_table_has_a_line_per_case_and_structure(tmp_path):
    write_table(rows(), tmp_path / "metrics.csv")
    lines = (tmp_path / "metrics.csv").read_text().splitlines()
    assert lines[0] == "case,split,structure,dice,nsd,truth_ml,prediction_ml"
    assert lines[1] == "a,val,liver,0.8,0.9,10.0,9.0"
    assert lines[3] == "a,val,spleen,,,0.0,1.5"
