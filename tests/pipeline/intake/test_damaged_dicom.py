"""Damaged DICOM: bytes changed in every slice give a CT or a reason, never a crash."""

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pipeline.intake.arrivals import Arrival, Reception
from pipeline.intake.dicom_series import group_series
from pipeline.intake.intake import STAGE
from pipeline.intake.reading import HeaderTask, read_headers, read_one

MEMORY_BYTES = 512 * 2**20

changes = st.lists(
    st.tuples(st.integers(132, 1500), st.binary(min_size=1, max_size=6)), min_size=1, max_size=3
)


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(changes)
@example([(136, b"\x00")])
def test_damaged_slices_give_a_ct_or_a_reason(tmp_path, workspace, write_series, edits):
    folder = tmp_path / "scan"
    if not folder.exists():
        for path in write_series(folder, positions=[(0, 0, 3 * k) for k in range(9)]):
            path.rename(path.with_suffix(".whole"))
    files = []
    for whole in sorted(folder.glob("*.whole")):
        block = bytearray(whole.read_bytes())
        for at, change in edits:
            block[at : at + len(change)] = change
        files.append(whole.with_suffix(".dcm"))
        files[-1].write_bytes(block)
    read = read_headers(HeaderTask(tuple(files), MEMORY_BYTES))
    assert len(read.headers) + len(read.refused) == len(files)
    reception = Reception(workspace, STAGE.Settings(paths=(folder,), memory_limit_gib=0.5))
    for arrival in reception.series(group_series(read.headers), {}):
        if isinstance(arrival, Arrival):
            result = read_one(arrival.task)
            assert bool(result.refused) != bool(result.digest)
        else:
            assert arrival.note
