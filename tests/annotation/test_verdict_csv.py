import pytest

from annotation.verdict_csv import VerdictFileError, read_verdict_csv
from annotation.verdict_request import decision_of
from pipeline.errors import BadInput, UsageError


@pytest.fixture
def write(tmp_path):
    def write(text, encoding="utf-8"):
        path = tmp_path / "verdicts.csv"
        path.write_bytes(text.encode(encoding))
        return path

    return write


def test_every_column_is_read(write):
    path = write(
        "case,structure,decision,by,reason,seconds,mask\n"
        's1,liver,accept,Anna,"good, mostly",12.5,0123456789ab\n'
        "s2,,exclude,Ben,motion,,\n"
    )
    liver, case = read_verdict_csv(path).requests
    assert (liver.case_id, liver.structure, liver.decision) == ("s1", "liver", "accept")
    assert (liver.by, liver.reason, liver.seconds) == ("Anna", "good, mostly", 12.5)
    assert liver.mask_id == "0123456789ab"
    assert liver.source == f"{path}, line 2"
    assert (case.structure, case.seconds, case.mask_id) == (None, None, None)
    assert (case.decision, case.reason) == ("exclude", "motion")


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_tables_as_spreadsheets_save_them(write, separator, encoding, ending):
    rows = ["Decision,Case , structure", "fix,s1,größe", ""]
    table = read_verdict_csv(write(ending.join(rows).replace(",", separator), encoding))
    assert table.refused == ()
    assert [(r.case_id, r.structure, r.decision) for r in table.requests] == [
        ("s1", "größe", "fix")
    ]


def test_a_decimal_comma_is_understood(write):
    table = read_verdict_csv(write("case;decision;seconds\ns1;accept;3,5\n"))
    assert table.requests[0].seconds == 3.5


def test_bad_lines_are_refused_one_by_one_with_file_and_line(write):
    path = write(
        "case,structure,decision,seconds\n"
        "s1,liver,accept,5\n"
        "s1,spleen,acept,5\n"
        "\n"
        ",spleen,accept,5\n"
        's1,"spleen\nhead",absent,5\n'
        "s1,spleen,fix,soon\n"
        "s1,spleen,fix,-1\n"
        "s1,spleen,fix,nan\n"
        "s1,spleen,fix,1,too,many\n"
        "s1,spleen,fix\n"
    )
    table = read_verdict_csv(path)
    assert [r.structure for r in table.requests] == ["liver", "spleen"]
    assert [r.source for r in table.requests] == [f"{path}, line 2", f"{path}, line 12"]
    notes = [result.note for result in table.refused]
    assert {result.status for result in table.refused} == {"failed"}
    assert notes[0] == (
        f"{path}, line 3: decision 'acept' is unknown; expected one of accept, fix, absent_fov, "
        "absent_anatomy, exclude, include"
    )
    assert notes[1] == f"{path}, line 5: the cell 'case' is empty"
    assert notes[2].startswith(f"{path}, line 6: absent is not enough: say absent_fov")
    assert notes[3].startswith(f"{path}, line 8: seconds is 'soon'")
    assert "line 9: seconds is '-1'" in notes[4]
    assert "line 10: seconds is 'nan'" in notes[5]
    assert "line 11: has more cells than the header ('too many')" in notes[6]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is empty; expected the columns case,structure,decision"),
        ("case,decison\n", "line 1: of the columns, 'decison' is unknown, 'decision' is missing"),
        ("case,decision,case\n", "'case' is there twice"),
        ('case,decision\ns1,"accept\n', "line 2: unexpected end of data"),
    ],
)
def test_a_file_that_is_no_such_table_is_an_error(write, text, sentence):
    path = write(text)
    with pytest.raises(VerdictFileError) as caught:
        read_verdict_csv(path)
    assert sentence in str(caught.value)
    assert str(path) in str(caught.value)
    assert isinstance(caught.value, BadInput)


def test_a_missing_file_and_another_encoding_are_errors(write, tmp_path):
    with pytest.raises(VerdictFileError, match=r"gone\.csv: cannot be read"):
        read_verdict_csv(tmp_path / "gone.csv")
    with pytest.raises(VerdictFileError, match="as UTF-8 text"):
        read_verdict_csv(write("case,decision\ngröße,accept\n", "latin-1"))


@pytest.mark.parametrize(
    ("word", "decision"),
    [
        ("accept", "accept"),
        (" Absent FOV", "absent_fov"),
        ("absent-anatomy", "absent_anatomy"),
        ("exclude", "exclude_case"),
        ("include_case", "include_case"),
    ],
)
def test_words_stand_for_decisions(word, decision):
    assert decision_of(word) == decision


def test_unknown_words_are_refused():
    with pytest.raises(UsageError, match="decision 'ok' is unknown"):
        decision_of("ok")
