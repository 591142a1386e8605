"""Every exit code of the command, met on the way that leads to it."""

import gzip
import signal
import time

import numpy as np
import pytest

from pipeline.volume import Grid, write_nifti


@pytest.fixture(scope="module")
def lab(new_lab, bodies):
    made = new_lab()
    made.json("init", "--class-map", "six")
    made.json("intake", str(bodies / "bare"))
    return made


def error_of(done):
    """Return the one line on stderr."""
    (line,) = [line for line in done.err.splitlines() if line.startswith("masksmith: error: ")]
    return line.removeprefix("masksmith: error: ")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["retrain", "--round", "0"], "greater than or equal to 1"),
        (["retrain", "--profile", "huge"], "profile 'huge' is unknown; known: tiny"),
        (["status", "--history"], "--history needs --case and --structure"),
        (["status", "--case", "x", "--structure", "livre"], "no structure 'livre'"),
        (["verdict", "accept"], "say which cases"),
        (["verdict", "absent", "--case", "x"], "absent is not enough"),
        (["verdict"], "say either a decision"),
        (["intake"], "Missing argument 'PATH...'"),
        (["phantom", "--field-of-view", "toe", "x"], "'toe' is not one of"),
        (["gallery", "--widht-px", "3"], "No such option '--widht-px'"),
    ],
)
def test_2_what_was_typed_makes_no_sense(lab, words, message):
    done = lab(*words)
    assert done.code == 2
    assert message in error_of(done)
    assert done.out == ""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["status", "--case", "nobody"], "no case 'nobody'"),
        (["bootstrap", "--cases", "nobody"], "no case 'nobody'"),
        (["retrain", "--round", "1", "--profile", "tiny"], "needs 5 decided cases, found 0"),
    ],
)
def test_3_what_was_asked_for_is_not_there(lab, words, message):
    done = lab(*words)
    assert done.code == 3
    assert message in error_of(done)


def test_3_a_folder_without_cts(lab, tmp_path):
    done = lab("intake", str(tmp_path))
    assert (done.code, "no NIfTI file and no DICOM" in error_of(done)) == (3, True)


def test_3_no_workspace(new_lab):
    done = new_lab()("status")
    assert done.code == 3
    assert "make it with 'masksmith init" in error_of(done)


def test_3_no_mask_has_no_history(lab):
    case_id = lab.json("status")["cases"][0]["id"]
    done = lab("status", "--case", case_id, "--structure", "liver", "--history")
    assert done.code == 3
    assert "has no mask of 'liver', and nobody has called it absent" in error_of(done)


def test_4_a_folder_that_is_no_workspace(new_lab, tmp_path):
    done = new_lab()("--workspace", str(tmp_path), "status", "--workspace", str(tmp_path))
    assert done.code == 4
    assert "no Masksmith workspace" in error_of(done)


def test_4_a_table_that_is_none(lab, tmp_path):
    table = tmp_path / "verdicts.csv"
    table.write_text("patient,colour\n1,red\n")
    done = lab("verdict", "--from", str(table))
    assert done.code == 4
    assert "'patient' is unknown" in error_of(done)


def test_5_no_model_is_ready(lab):
    done = lab("bootstrap")
    assert done.code == 5
    assert "no model is ready to run" in error_of(done)


def test_8_one_bad_file_does_not_stop_the_others(new_lab, bodies, tmp_path):
    lab = new_lab()
    lab.json("init", "--class-map", "six")
    good = next((bodies / "bare").glob("*.nii.gz"))
    (tmp_path / "good.nii.gz").write_bytes(good.read_bytes())
    (tmp_path / "cut.nii.gz").write_bytes(good.read_bytes()[:2000])
    (tmp_path / "text.nii.gz").write_bytes(gzip.compress(b"no NIfTI at all"))
    flat = np.zeros((20, 20, 20), np.int16)
    write_nifti(tmp_path / "flat.nii.gz", flat, Grid((20, 20, 20), np.diag([3.0, 3, 3, 1])))
    document = lab.json("intake", str(tmp_path), code=8)
    assert document["counts"] == {"done": 1, "kept": 0, "failed": 3}
    failed = {o["subject"].split("/")[-1] for o in document["outcomes"] if o["status"] == "failed"}
    assert failed == {"cut.nii.gz", "text.nii.gz", "flat.nii.gz"}
    assert all(o["note"] for o in document["outcomes"] if o["status"] == "failed")
    assert lab.json("doctor")["errors"] == 0


def test_8_one_bad_line_does_not_stop_the_others(lab, tmp_path):
    case_id = lab.json("status")["cases"][0]["id"]
    table = tmp_path / "verdicts.csv"
    table.write_text(
        "case;structure;decision;by\n"
        f"{case_id};aorta;absent_fov;anna\n"
        "nobody;aorta;absent_fov;anna\n"
        f"{case_id};aorta;perhaps;anna\n"
    )
    document = lab.json("verdict", "--from", str(table), code=8)
    assert document["counts"] == {"done": 1, "failed": 2}
    assert document["recorded"] == 1


def test_130_interrupted(lab, tmp_path):
    process = lab.start("phantom", str(tmp_path), "--count", "1000", "--spacing-mm", "12")
    try:
        while not any(tmp_path.iterdir()):
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    finally:
        process.kill()


def test_errors_are_documents_where_json_was_asked_for(lab):
    done = lab("status", "--case", "nobody", "--json")
    assert done.document["exit_code"] == done.code == 3
    assert done.document["error"] == error_of(done)
