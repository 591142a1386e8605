"""Which scans count for a structure over age, and what is said of the others."""

import csv
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import BadInput
from pipeline.workspace import Verdict
from qc import aging_report
from qc.aging import (  # fmt: skip
    ABSENT,
    CUT,
    EXCLUDED,
    NO_AGE,
    NO_MASK,
    NOT_ACCEPTED,
    NOT_MEASURED,
    OTHER_PHASE,
    AgingRequest,
    aging_study,
)
from qc.aging_report import left_out_counts, write_aging
from tests.fixtures.aging_workspaces import VOXEL_ML, Scan, make_aging_workspace

REQUEST = AgingRequest(("liver",))


def voxels(age: float) -> float:
    return 600 + 20 * age - 0.2 * age**2


def hu(age: float) -> float:
    return 80 - 0.5 * age


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    scans = [Scan(str(20 + 4 * n), "fm"[n % 2], f"p{n}") for n in range(16)]
    scans += [
        Scan("", "f"),
        Scan("40", "m", cut=True),
        Scan("50", "", phase="arterial"),
        Scan("60", "m", phase="arterial"),
    ]
    return make_aging_workspace(tmp_path_factory.mktemp("aging") / "w", scans, voxels, hu)


def reasons(study):
    return dict(study.left_out)


def test_what_cannot_count_is_named(workspace):
    study = aging_study(workspace, REQUEST)
    assert len(study.points) == 18
    assert reasons(study) == {("", NO_AGE): ["s0016"], ("liver", CUT): ["s0017"]}
    assert study.phases("liver") == {"native": 16, "arterial": 2}
    first = study.of("liver")[0]
    assert (first.case, first.age, first.sex, first.patient) == ("s0000", 20.0, "f", "p0")
    assert first.volume_ml == pytest.approx(round(voxels(20)) * VOXEL_ML)
    assert first.mean_hu == 70


def test_the_curve_is_that_of_the_bodies(workspace):
    study = aging_study(workspace, AgingRequest(("liver",), phase="native"))
    curves = {(curve.measure, curve.group): curve for curve in study.curves()}
    assert [curves["volume_ml", group].scans for group in ("all", "f", "m")] == [16, 8, 8]
    fit = curves["volume_ml", "all"].fit
    assert fit.turning_age == pytest.approx(50, abs=0.5)
    assert fit.curve == pytest.approx(voxels(fit.ages) * VOXEL_ML, rel=0.01)
    assert curves["mean_hu", "m"].fit.coefficients[1] == pytest.approx(-0.5, abs=0.1)
    assert study.left_out["", OTHER_PHASE] == ["s0018", "s0019"]


def test_a_structure_named_twice_counts_once(workspace):
    study = aging_study(workspace, AgingRequest(("liver+liver", "liver")))
    twice, once = study.of("liver+liver"), study.of("liver")
    assert [point.volume_ml for point in twice] == [point.volume_ml for point in once] != []


def test_structures_taken_together_and_missing_ones(workspace):
    study = aging_study(workspace, AgingRequest(("liver+spleen", "spleen")))
    assert study.points == []
    assert len(study.left_out["spleen", NO_MASK]) == 19
    assert len(study.left_out["liver+spleen", NO_MASK]) == 18
    assert study.left_out["liver+spleen", CUT] == ["s0017"]


def test_an_unknown_structure_is_refused_with_a_hint(workspace):
    with pytest.raises(BadInput, match="close: liver"):
        aging_study(workspace, AgingRequest(("livr",)))


def test_verdicts_count(tmp_path):
    scans = [Scan("30", "f"), Scan("40", "m"), Scan("50", "m"), Scan("60", "f")]
    workspace = make_aging_workspace(tmp_path / "w", scans, voxels, hu)
    liver = workspace.in_force("s0000")["liver"]
    workspace.record_verdicts(
        [
            Verdict("s0000", "accept", "anna", "liver", liver.id),
            Verdict("s0001", "exclude_case", "anna"),
        ]
    )
    study = aging_study(workspace, AgingRequest(("liver",), accepted_only=True))
    assert [point.case for point in study.points] == ["s0000"]
    assert reasons(study) == {
        ("", EXCLUDED): ["s0001"],
        ("liver", NOT_ACCEPTED): ["s0002", "s0003"],
    }
    workspace.record_verdicts([Verdict("s0002", "absent_anatomy", "anna", "liver")])
    assert aging_study(workspace, REQUEST).left_out["", NOT_MEASURED] == ["s0002"]
    from pipeline.engine import SerialEngine
    from pipeline.stage import run_stage
    from qc.stats import STAGE, StatsSettings

    run_stage(STAGE, workspace, StatsSettings(), SerialEngine())
    assert aging_study(workspace, REQUEST).left_out["liver", ABSENT] == ["s0002"]


def test_tables_hold_what_is_drawn(workspace, tmp_path):
    study = aging_study(workspace, REQUEST)
    files = write_aging(study, study.curves(), tmp_path / "out")
    assert files == ["aging.png", "points.csv", "fits.csv", "curves.csv", "left_out.csv"]
    tables = {}
    for name in files[1:]:
        with (tmp_path / "out" / name).open(newline="") as file:
            tables[name] = list(csv.DictReader(file))
    assert len(tables["points.csv"]) == 18
    assert [row["group"] for row in tables["fits.csv"]] == ["all", "f", "m"] * 2
    whole = tables["fits.csv"][0]
    assert (whole["scans"], whole["youngest"], whole["oldest"]) == ("18", "20", "80")
    coefficients = [float(whole[name]) for name in "abc"]
    drawn = [
        row
        for row in tables["curves.csv"]
        if (row["measure"], row["group"]) == ("volume_ml", "all")
    ]
    assert len(drawn) == 61
    for row in drawn:
        age = float(row["age"])
        assert float(row["fit"]) == pytest.approx(np.polyval(coefficients[::-1], age), rel=1e-6)
        assert float(row["low"]) <= float(row["fit"]) <= float(row["high"])
    assert {(row["quantity"], row["case"]) for row in tables["left_out.csv"]} == {
        ("all", "s0016"), ("liver", "s0017"),
    }  # fmt: skip
    assert left_out_counts(study)[1]["cases"] == ["s0017"]


def test_the_figure_shows_the_sexes_in_their_colours(workspace, tmp_path):
    study = aging_study(workspace, REQUEST)
    write_aging(study, study.curves(), tmp_path)
    picture = np.asarray(Image.open(tmp_path / "aging.png").convert("RGB")).astype(int)
    for colour in ((213, 94, 0), (0, 114, 178), (32, 38, 44)):
        near = (np.abs(picture - colour).max(axis=2) < 6).sum()
        assert near > 100
    assert (picture[:5] == 255).all()


def test_too_few_for_a_fit_are_drawn_without_a_warning(workspace, tmp_path, recwarn):
    study = aging_study(workspace, REQUEST)
    write_aging(study, [replace(curve, fit=None) for curve in study.curves()], tmp_path)
    assert [str(each.message) for each in recwarn if "line" in str(each.message)] == []


def test_many_structures_get_a_figure_each(workspace, tmp_path, monkeypatch):
    monkeypatch.setattr(aging_report, "_MOST_TOGETHER", 1)
    study = aging_study(workspace, AgingRequest(("liver", "spleen")))
    files = write_aging(study, study.curves(), tmp_path)
    assert files[:2] == ["aging_liver.png", "aging_spleen.png"]
    assert (tmp_path / "aging_spleen.png").stat().st_size > 1000
