from dataclasses import replace

import pytest

from pipeline.intake.dicom_header import read_slice_header
from pipeline.intake.identity import identity_of_row, identity_of_series, plain_facts
from pipeline.intake.tables import TableRow


def hashed(kind: str, value: str) -> str:
    return f"<{kind}:{value}>"


def test_a_series_is_known_by_four_pseudonyms_and_plain_facts(tmp_path, write_series):
    header = read_slice_header(write_series(tmp_path)[0])
    identity = identity_of_series(header, hashed)
    assert identity.patient_id == "<patient:PID4711>"
    assert identity.exam_id == "<exam:1.2.3>"
    assert identity.series_id == "<series:1.2.3.4>"
    assert identity.frame_of_reference_id == "<frame_of_reference:1.2.3.9>"
    assert identity.meta == {
        "age": "60",
        "sex": "f",
        "manufacturer": "Maker",
        "kvp": "120",
        "kernel": "B30f",
        "contrast_agent": "given",
    }


def test_the_issuer_is_part_of_the_patient_and_no_patient_id_is_no_patient(tmp_path, write_series):
    header = read_slice_header(write_series(tmp_path)[0])
    issued = replace(header, issuer="Clinic")
    assert identity_of_series(issued, hashed).patient_id == "<patient:PID4711@Clinic>"
    assert identity_of_series(replace(issued, patient=""), hashed).patient_id is None


def test_a_row_of_a_table():
    row = TableRow("P1", "", "Arterial", {"age": "61.0", "sex": "F"})
    identity = identity_of_row(row, hashed)
    assert (identity.patient_id, identity.exam_id) == ("<patient:P1>", None)
    assert identity.phase == "arterial"
    assert identity.meta == {"age": "61", "sex": "f"}


@pytest.mark.parametrize(
    ("given", "years"),
    [("060Y", "60"), ("018M", "1"), ("010D", "0"), ("61", "61"), ("61.0", "61"), ("old", None)],
)
def test_ages_become_years(given, years):
    assert plain_facts({"age": given}).get("age") == years


@pytest.mark.parametrize("text", ["", "x" * 80, "<b>", "line\nline", "\x00", "@home"])
def test_what_is_no_short_plain_fact_is_left_out(text):
    assert plain_facts({"kernel": text}) == {}
