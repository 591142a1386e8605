"""Masks lie on voxels of their own density: air in lungs, bone in bones, soft tissue in organs."""

from collections.abc import Iterator

from pipeline.workspace import Finding
from pipeline.workspace.phases import phase_kind
from qc.plausibility.cohort import Cohort
from qc.plausibility.rule import Rule
from qc.plausibility.scene import CaseScene
from qc.plausibility.scene_measures import Density, Measured
from qc.plausibility.thresholds import DensityRange, Thresholds
from qc.plausibility.wording import place_of, spoken

_AORTA = "aorta"


def check(scene: CaseScene, thresholds: Thresholds, cohort: Cohort | None) -> Iterator[Finding]:
    """Compare each structure's median Hounsfield units with its range, and the aorta's phase."""
    phase = scene.context.phase
    for measured in scene.present():
        density = scene.density(measured.name)
        row = thresholds.density_of(measured.name, phase)
        if density is None or row is None or measured.volume_ml < thresholds["density_least_ml"]:
            continue
        if not row.low_hu <= density.median_hu <= row.high_hu:
            yield _finding(measured, density, row, thresholds)
    yield from _phase(scene, thresholds)


def _finding(
    measured: Measured, density: Density, row: DensityRange, thresholds: Thresholds
) -> Finding:
    off = max(row.low_hu - density.median_hu, density.median_hu - row.high_hu)
    # A sliver at the end of the view holds little but edges.
    high = off > thresholds["density_high_hu"] and not measured.is_cut
    return Finding(
        "density",
        f"{spoken(measured.name)} has a median of {density.median_hu:.0f} HU, expected "
        f"{row.low_hu:g} to {row.high_hu:g} HU: it lies on something else",
        (measured.name,),
        {
            "median_hu": round(density.median_hu, 1),
            "low_hu": row.low_hu,
            "high_hu": row.high_hu,
        },
        severity="high" if high else "medium",
        place_mm=place_of(measured.place_mm),
    )


def _phase(scene: CaseScene, thresholds: Thresholds) -> Iterator[Finding]:
    """Compare the aorta with the contrast phase that the case is said to have."""
    density, phase, measured = scene.density(_AORTA), scene.context.phase, scene.get(_AORTA)
    kind = phase_kind(phase)
    if density is None or measured is None or phase is None or kind is None:
        return
    native = kind == "native"
    limit = thresholds["aorta_native_hu" if native else "aorta_contrast_hu"]
    agrees = density.median_hu <= limit if native else density.median_hu >= limit
    if agrees:
        return
    yield Finding(
        "phase_doubtful",
        f"the case is called {phase.replace('_', ' ')}, but the aorta has {density.median_hu:.0f} "
        "HU: the phase or the mask of the aorta is wrong",
        (_AORTA,),
        {"median_hu": round(density.median_hu, 1), "limit_hu": limit},
        severity="medium",
        place_mm=place_of(measured.place_mm),
    )


RULE = Rule(
    "density",
    "Masks lie on voxels of their own density, and the aorta's fits the contrast phase.",
    check,
    ("density", "phase_doubtful"),
    needs_ct=True,
)
