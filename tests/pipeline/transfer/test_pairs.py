"""Who lends a heart to whom: every rule of the exam, every fault of the table."""

from pathlib import Path

import pytest

from pipeline.errors import BadInput
from pipeline.transfer.heart_manifest import CARRIER, HEART_STRUCTURES, MAKER
from pipeline.transfer.pairs import ScanPair, kind_of, pairs_by_exam, pairs_from_table
from pipeline.workspace import Case, CaseRecord, Mask, Provenance, Verdict
from tests.fixtures.workspaces import small_grid

ATRIUM, MUSCLE = "heart_atrium_left", "heart_myocardium"
BOOTSTRAP = Provenance("model", "model:bootstrap", priority=10)
BOX = (slice(0, 2), slice(0, 2), slice(0, 2))


def mask(case_id: str, structure: str, made: Provenance = BOOTSTRAP, voxels: int = 8) -> Mask:
    return Mask(
        f"{case_id}-{structure}-{made.maker}-{voxels}", case_id, structure, made, BOX, voxels
    )


def record(
    case_id: str,
    *structures: str,
    verdicts: tuple[Verdict, ...] = (),
    more: tuple[Mask, ...] = (),
    agent: str = "",
    dicom: bool = False,
    **fields: object,
) -> CaseRecord:
    case = Case(
        case_id,
        small_grid(),
        f"digest-{case_id}",
        source={"format": "dicom" if dicom else "nifti"},
        meta={"contrast_agent": agent} if agent else {},
        **{"exam_id": "e1", **fields},  # type: ignore[arg-type]
    )
    return CaseRecord(case, (*(mask(case_id, name) for name in structures), *more), verdicts)


def kind(given: CaseRecord, **known: bool) -> str:
    return kind_of(given, HEART_STRUCTURES, **known)[0]


def paired(*records: CaseRecord) -> list[tuple[str, str]]:
    return [(pair.contrast, pair.native) for pair in pairs_by_exam(records, HEART_STRUCTURES)]


@pytest.mark.parametrize(
    "phase",
    [
        "native",
        "non-contrast",
        "NON CONTRAST",
        "non_enhanced",
        "unenhanced",
        "Pre-contrast",
        "without contrast",
        "plain",
        "NCCT",
    ],
)
def test_phases_that_mean_native(phase: str) -> None:
    assert kind(record("a", ATRIUM, phase=phase, agent="given")) == "native"


@pytest.mark.parametrize(
    "phase", ["arterial", "portal_venous", "Portal Venous", "late", "CTA", "contrast enhanced"]
)
def test_phases_that_mean_contrast(phase: str) -> None:
    assert kind(record("a", phase=phase)) == "contrast"


def test_without_a_phase_dicom_says_it() -> None:
    assert kind(record("a", dicom=True, agent="given")) == "contrast"
    assert kind(record("a", dicom=True)) == "native"
    assert kind(record("a", dicom=True, phase="thorax", agent="given")) == "contrast"


def test_without_any_words_masks_of_the_heart_say_it() -> None:
    assert kind(record("a", ATRIUM)) == "contrast"
    assert kind(record("a")) == "native"
    assert kind(record("a", "liver")) == "native"


def test_a_silent_dicom_beside_a_contrast_scan_is_native_whatever_a_model_saw_in_it() -> None:
    assert kind(record("a", ATRIUM, dicom=True)) == "contrast"
    assert kind(record("a", ATRIUM, dicom=True), contrast_known=True) == "native"
    given = record("c", ATRIUM, dicom=True, agent="given")
    assert paired(given, record("n", ATRIUM, dicom=True)) == [("c", "n")]


def test_the_cases_of_one_exam_are_a_pair_and_no_others() -> None:
    found = paired(
        record("c", ATRIUM, phase="arterial"),
        record("n", phase="native"),
        record("other", phase="native", exam_id="e2"),
        record("alone", phase="native", exam_id=None),
        record("lost", ATRIUM, phase="arterial", exam_id=None),
    )
    assert found == [("c", "n")]


def test_of_several_series_the_one_with_most_masks_lends_to_every_native_one() -> None:
    found = pairs_by_exam(
        [
            record("c1", ATRIUM, phase="arterial"),
            record("c2", ATRIUM, MUSCLE, phase="portal_venous"),
            record("c3", phase="late"),
            record("n2", phase="native"),
            record("n1", phase="native"),
        ],
        HEART_STRUCTURES,
    )
    assert [(pair.contrast, pair.native) for pair in found] == [("c2", "n1"), ("c2", "n2")]
    assert found[0].why == (
        "same exam; contrast by phase portal_venous, 2 heart masks, best of 2 contrast series; "
        "native by phase native"
    )


def test_with_as_many_masks_the_arterial_one_lends_and_then_the_first() -> None:
    late, arterial, second = (
        record(name, ATRIUM, phase=phase)
        for name, phase in (("a", "late"), ("c", "arterial"), ("b", "arterial"))
    )
    native = record("n", phase="native")
    assert paired(late, arterial, native) == [("c", "n")]
    assert paired(late, arterial, second, native) == [("b", "n")]


def test_an_excluded_case_neither_lends_nor_gets() -> None:
    out = (Verdict("x", "exclude_case", "anna", reason="motion"),)
    contrast, native = record("c", ATRIUM, phase="late"), record("n", phase="native")
    assert paired(record("c", ATRIUM, phase="late", verdicts=out), native) == []
    assert paired(contrast, record("n", phase="native", verdicts=out)) == []


def test_an_exam_whose_contrast_scan_has_no_heart_is_left_out_and_named(caplog) -> None:
    contrast = record("c", "liver", phase="arterial")
    assert paired(contrast, record("n", ATRIUM, phase="native")) == []
    assert "exam of c, n: left out, no contrast case of it has a heart mask" in caplog.text


@pytest.mark.parametrize("maker", [MAKER, CARRIER])
def test_what_the_transfer_made_itself_is_not_lent_but_uncovers_what_lies_below(maker) -> None:
    own = Provenance("transfer" if maker == CARRIER else "model", maker, priority=40)
    native = record("n", phase="native")
    only = record("c", phase="arterial", more=(mask("c", ATRIUM, own),))
    above = record("c", ATRIUM, phase="arterial", more=(mask("c", ATRIUM, own),))
    assert paired(only, native) == []
    assert paired(above, native) == [("c", "n")]


def test_a_mask_that_was_sent_back_and_an_empty_one_are_not_lent() -> None:
    native = record("n", phase="native")
    back = (Verdict("c", "fix", "anna", ATRIUM, mask("c", ATRIUM).id),)
    assert paired(record("c", ATRIUM, phase="late", verdicts=back), native) == []
    empty = mask("c", ATRIUM, voxels=0)
    assert paired(record("c", phase="late", more=(empty,)), native) == []


def table(folder: Path, text: str) -> Path:
    path = folder / "pairs.csv"
    path.write_bytes(text.encode())
    return path


def test_a_table_names_the_pairs(tmp_path: Path) -> None:
    path = table(tmp_path, "\ufeffnative, contrast ,note\r\n n1,c1,x\r\n\r\nn2,c1,\r\n")
    assert pairs_from_table(path, ["c1", "n1", "n2"]) == [
        ScanPair("c1", "n1", "pairs.csv, line 2"),
        ScanPair("c1", "n2", "pairs.csv, line 4"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"pairs\.csv:1: columns none, expected contrast,native"),
        ("contrast;native\nc1;n1\n", r":1: columns contrast;native, expected contrast,native"),
        ("contrast,other\nc1,n1\n", r":1: .*add native to the first line"),
        ("contrast,native\nc1\n", r":2: no native case"),
        ("contrast,native\n,n1\n", r":2: no contrast case"),
        ("contrast,native\nc1,n1\nc9,n2\n", r":3: contrast case 'c9' is not in the workspace"),
        ("contrast,native\nc1,c1\n", r":2: case 'c1' is paired with itself"),
        ("contrast,native\nc1,n1\nc2,n1\n", r":3: native case n1 stands in line 2 too"),
        ("contrast,native\n", r"no pair below the first line"),
    ],
)
def test_a_fault_of_the_table_is_named_with_its_line(tmp_path, text, message) -> None:
    with pytest.raises(BadInput, match=message):
        pairs_from_table(table(tmp_path, text), ["c1", "c2", "n1", "n2"])


def test_a_table_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"missing\.csv: cannot be read"):
        pairs_from_table(tmp_path / "missing.csv", [])
    path = tmp_path / "pairs.csv"
    path.write_bytes(b"contrast,native\n\xff\xfe,n1\n")
    with pytest.raises(BadInput, match="name a CSV file in UTF-8"):
        pairs_from_table(path, [])
