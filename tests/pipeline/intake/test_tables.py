import pytest

from pipeline.intake.refusal import Refused
from pipeline.intake.tables import TableRow, read_table

KEYS = ("image_id", "path")
V1 = "image_id;age;gender;institute;study_type;split\ns0000;65;f;A;ct abdomen;train\n"
V2 = (
    "image_id;age;gender;institute;study_type;split;manufacturer;scanner_model;kvp;pathology;"
    "pathology_location\n"
    "s0011;65.0;m;C;ct thorax;val;siemens;Somatom;120.0;tumor;lung\n"
)


def test_version_1_columns(tmp_path):
    path = tmp_path / "meta.csv"
    path.write_text(V1)
    table = read_table(path, KEYS)
    assert table.rows["s0000"].meta == {
        "age": "65",
        "sex": "f",
        "site": "A",
        "study_type": "ct abdomen",
        "split": "train",
    }
    assert table.unknown_columns == ()


def test_version_2_columns_with_a_byte_order_mark_and_windows_line_ends(tmp_path):
    path = tmp_path / "meta.csv"
    path.write_bytes(b"\xef\xbb\xbf" + V2.replace("\n", "\r\n").encode())
    meta = read_table(path, KEYS).rows["s0011"].meta
    assert meta["manufacturer"] == "siemens"
    assert meta["pathology_location"] == "lung"
    assert meta["kvp"] == "120.0"


def test_a_persons_table_with_commas_and_quotes(tmp_path):
    path = tmp_path / "cases.csv"
    path.write_text('Path,Patient,Exam,Phase,Name\n"a, b.nii.gz",P1,E1,arterial,Erika Muster\n')
    table = read_table(path, KEYS)
    assert table.rows == {"a, b.nii.gz": TableRow("P1", "E1", "arterial")}
    assert table.unknown_columns == ("name",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"age;gender\n1;f\n", "no column image_id or path"),
        (b"image_id;age\ns1;3\ns1;4\n", "s1 is there twice"),
        (b"image_id;age\ns1;\xff\n", "byte 16 is no UTF-8"),
        (b"", "no column"),
    ],
)
def test_tables_that_cannot_be_read_are_refused_by_name(tmp_path, content, message):
    path = tmp_path / "meta.csv"
    path.write_bytes(content)
    with pytest.raises(Refused, match=rf"meta\.csv: .*{message}"):
        read_table(path, KEYS)


def test_a_missing_table_is_refused(tmp_path):
    with pytest.raises(Refused, match="no such file"):
        read_table(tmp_path / "none.csv", KEYS)


def test_rows_may_be_short_and_empty(tmp_path):
    path = tmp_path / "meta.csv"
    path.write_text("image_id;age;gender\ns1\n;;\ns2;;m;extra\n")
    assert {key: dict(row.meta) for key, row in read_table(path, KEYS).rows.items()} == {
        "s1": {},
        "s2": {"sex": "m"},
    }
