import numpy as np
import pytest
from scipy import ndimage

from pipeline.anatomy import ClassMap
from pipeline.errors import UsageError
from pipeline.phantom import BodySettings, Deformation, Pair, make_body, make_pair

ABDOMEN = BodySettings(
    spacing_mm=(5.0, 5.0, 5.0), field_of_view="abdomen", in_plane_mm=(380.0, 300.0), noise_hu=5.0
)
MOVED = Deformation(seed=3, amplitude_mm=9.0, shift_mm=(4.0, -3.0, 6.0), turn_deg=(1.0, 2.0, -3.0))


@pytest.fixture(scope="module")
def pair(phantom_class_map: ClassMap) -> Pair:
    return make_pair(ABDOMEN, MOVED, phantom_class_map)


def _agreement(pair: Pair, displaced: bool) -> float:
    """Share of native voxels with the label of the contrast scan at p (+ displacement)."""
    steps = pair.displacement_mm / np.array(pair.native.grid.spacing_mm)
    index = np.stack(np.indices(pair.native.labels.shape))
    if displaced:
        index = index + np.moveaxis(steps, -1, 0)
    there = ndimage.map_coordinates(pair.contrast.labels, index, order=0, cval=0)
    inside = (slice(6, -6),) * 3
    organs = pair.native.labels[inside] > 0
    return float((there[inside] == pair.native.labels[inside])[organs].mean())


def test_the_displacement_leads_from_native_to_contrast(pair: Pair) -> None:
    assert _agreement(pair, displaced=True) > 0.85
    assert _agreement(pair, displaced=True) > _agreement(pair, displaced=False) + 0.2


def test_the_contrast_scan_is_the_body_itself(pair: Pair, phantom_class_map: ClassMap) -> None:
    body = make_body(ABDOMEN, phantom_class_map)
    assert np.array_equal(pair.contrast.ct, body.ct)
    assert pair.native.grid.same_as(body.grid)


def test_phases_differ_and_anatomy_stays(pair: Pair, phantom_class_map: ClassMap) -> None:
    aorta = phantom_class_map["aorta"].value
    contrast = np.median(pair.contrast.ct[pair.contrast.labels == aorta])
    native = np.median(pair.native.ct[pair.native.labels == aorta])
    assert contrast > native + 80
    sizes = [np.bincount(b.labels.ravel(), minlength=105) for b in (pair.native, pair.contrast)]
    for name in ("liver", "kidney_left", "stomach", "vertebrae_L2", "pancreas"):
        native, contrast = (size[phantom_class_map[name].value] for size in sizes)
        assert native == pytest.approx(contrast, rel=0.15)


def test_the_displacement_is_as_large_and_as_smooth_as_asked(
    phantom_class_map: ClassMap,
) -> None:
    smooth = make_pair(ABDOMEN, Deformation(amplitude_mm=7.0), phantom_class_map)
    lengths = np.linalg.norm(smooth.displacement_mm, axis=-1)
    assert lengths.max() == pytest.approx(7.0, rel=0.05)
    stretch = np.stack(np.gradient(smooth.displacement_mm, 5.0, axis=(0, 1, 2)))
    assert np.abs(stretch).max() < 0.4


def test_a_pure_shift_is_exact(phantom_class_map: ClassMap) -> None:
    shift = Deformation(amplitude_mm=0.0, shift_mm=(5.0, 0.0, -10.0))
    pair = make_pair(ABDOMEN, shift, phantom_class_map)
    assert np.allclose(pair.displacement_mm, [5.0, 0.0, -10.0], atol=1e-4)
    same = pair.native.labels[:-1, :, 2:] == pair.contrast.labels[1:, :, :-2]
    assert same.mean() > 0.9999


def test_impossible_pairs_are_refused(phantom_class_map: ClassMap) -> None:
    with pytest.raises(UsageError, match="native"):
        make_pair(BodySettings(phase="native"), Deformation(), phantom_class_map)
    with pytest.raises(UsageError, match="amplitude_mm"):
        Deformation(amplitude_mm=40.0)


def test_the_native_scan_can_have_a_kernel_and_noise_of_its_own(
    pair: Pair, phantom_class_map: ClassMap
) -> None:
    other = make_pair(ABDOMEN, MOVED, phantom_class_map, native_noise_hu=40.0, native_kernel="bone")
    assert np.array_equal(other.contrast.ct, pair.contrast.ct)
    assert np.array_equal(other.native.labels, pair.native.labels)
    liver = pair.native.labels == phantom_class_map["liver"].value
    inner = ndimage.binary_erosion(liver, iterations=3)
    assert other.native.ct[inner].std() == pytest.approx(40, rel=0.2)
    assert pair.native.ct[inner].std() < 10
    assert other.native.settings.kernel == "bone"
