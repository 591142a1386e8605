"""Real masks out and back in through our own readers: every voxel, in every format."""

from pathlib import Path

import numpy as np
import pytest

from annotation.formats import read_drawn_file
from annotation.formats.writers import Outgoing, Segment, writer_of
from annotation.formats.writers.source_series import SourceSeries, read_series
from annotation.importing.placing import place
from pipeline.anatomy import load_class_map, shipped_configs
from pipeline.volume import Grid, bounding_box, label_boxes, read_nifti, to_canonical
from tests.fixtures.dicom_series import write_ct_series

pytestmark = pytest.mark.real_data

LEAST_DICE = 0.98


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return 2 * float((one & other).sum()) / float(one.sum() + other.sum())


@pytest.fixture(scope="module")
def lesion(real_data: Path) -> tuple[Outgoing, SourceSeries]:
    """Give the lesion of STS_036 on its own CT series."""
    volume = read_nifti(real_data / "rtstruct_sts036" / "nifti" / "CT_mask.nii.gz")
    mask = volume.array > 0
    box = bounding_box(mask)
    structure = load_class_map(shipped_configs() / "class_map.yaml")["hip_left"]
    segment = Segment(structure, None, box, mask[box])
    series = read_series(sorted((real_data / "rtstruct_sts036" / "CT" / "image").iterdir()))
    return Outgoing("sts036", volume.grid, (segment,), ("hip_left",), "x"), series


@pytest.fixture(scope="module")
def abdomen(
    real_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Outgoing, SourceSeries]:
    """Give an abdomen's structures on a series made of its CT, whose axes run the other way."""
    folder = real_data / "ct_abdomen_pelvis_native_ts"
    volume = read_nifti(folder / "example_ct.nii.gz")
    hu, grid = to_canonical(volume.array.astype(np.int16), volume.grid)
    affine = grid.affine @ np.diag([-1.0, -1.0, 1.0, 1.0])
    affine[:3, 3] = (grid.affine @ [grid.shape[0] - 1, grid.shape[1] - 1, 0, 1])[:3]
    target = tmp_path_factory.mktemp("series")
    write_ct_series(target, hu[::-1, ::-1], Grid(grid.shape, affine))
    labels = read_nifti(folder / "example_seg_fast_force_split.nii.gz").array
    names = load_class_map(shipped_configs() / "class_maps" / "totalsegmentator_v2.yaml")
    class_map = load_class_map(shipped_configs() / "class_map.yaml")
    segments = tuple(
        Segment(class_map[name], None, box, labels[box] == value)
        for value, box in label_boxes(labels).items()
        if (name := names.by_value(value).name) in class_map
    )
    painted = tuple(segment.name for segment in segments)
    outgoing = Outgoing("abdomen", volume.grid, segments, painted, class_map.name)
    return outgoing, read_series(sorted(target.iterdir()))


@pytest.fixture(params=["lesion", "abdomen"])
def what(request: pytest.FixtureRequest) -> tuple[Outgoing, SourceSeries]:
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("format_name", ["nifti", "seg.nrrd", "dicom-seg", "rtstruct"])
def test_what_went_out_comes_back(
    format_name: str,
    what: tuple[Outgoing, SourceSeries],
    tmp_path: Path,
    recwarn: pytest.WarningsRecorder,
) -> None:
    outgoing, series = what
    writer = writer_of(format_name)
    path = tmp_path / f"x{writer.suffix}"
    writer.write(outgoing, path, series if writer.needs_series else None)
    # The lesion's series has a StudyID and a name that libraries warn of, quoting them.
    assert [str(warning.message) for warning in recwarn] == []
    by_value = {segment.structure.value: segment.name for segment in outgoing.segments}
    is_nifti = format_name == "nifti"
    found = {
        by_value[drawing.value] if is_nifti else drawing.name: drawing
        for drawing in read_drawn_file(path).drawings
    }
    assert set(found) == {segment.name for segment in outgoing.segments}
    for segment in outgoing.segments:
        back = on_grid(found[segment.name].shape, outgoing.grid)
        there = np.zeros(outgoing.grid.shape, np.bool_)
        there[segment.box] = segment.crop
        assert dice(there, back) >= LEAST_DICE
        # Filled by voxel centres even contours give every voxel back.
        assert np.array_equal(there, back), segment.name


def on_grid(shape: object, grid: Grid) -> np.ndarray:
    placed = place(shape, grid)
    whole = np.zeros(grid.shape, np.bool_)
    whole[placed.box] = placed.crop
    return whole


def test_the_contours_of_a_physician_survive_a_way_through_our_masks(
    lesion: tuple[Outgoing, SourceSeries], real_data: Path, tmp_path: Path
) -> None:
    outgoing, series = lesion
    drawn = read_drawn_file(real_data / "rtstruct_sts036" / "CT" / "mask" / "RS.dcm")
    first = on_grid(drawn.drawings[0].shape, outgoing.grid)
    box = bounding_box(first)
    segment = Segment(outgoing.segments[0].structure, None, box, first[box])
    again = Outgoing("x", outgoing.grid, (segment,), ("hip_left",), "x")
    writer_of("rtstruct").write(again, tmp_path / "x.dcm", series)
    second = on_grid(read_drawn_file(tmp_path / "x.dcm").drawings[0].shape, outgoing.grid)
    assert np.array_equal(first, second)
