"""Whole structures are as large as in the other cases, or as in published adults."""

from collections.abc import Iterator, Mapping

from pipeline.workspace import Finding
from qc.plausibility.cohort import FEATURES, Cohort, Size, sizes_in
from qc.plausibility.rule import Rule
from qc.plausibility.scene import CaseScene
from qc.plausibility.scene_measures import Context
from qc.plausibility.thresholds import Thresholds
from qc.plausibility.wording import place_of, spoken

KINDS = ("size_unlike_cohort", "size_unlike_adults")
_SPOKEN = {
    "volume_ml": ("volume", "ml"),
    "height_mm": ("height", "mm"),
    "width_mm": ("width", "mm"),
    "fill": ("share of its box", ""),
}


def check(scene: CaseScene, thresholds: Thresholds, cohort: Cohort | None) -> Iterator[Finding]:
    """Judge the sizes in a scene."""
    places = {measured.name: place_of(measured.place_mm) for measured in scene.present()}
    yield from size_findings(sizes_in(scene), scene.context, thresholds, cohort, places)


def size_findings(
    sizes: Mapping[str, Size],
    context: Context,
    thresholds: Thresholds,
    cohort: Cohort | None,
    places: Mapping[str, tuple[float, float, float]] | None = None,
) -> Iterator[Finding]:
    """Judge sizes, which need no voxels.

    Parameters
    ----------
    sizes : mapping of str to Size
    context : Context
        Its sex and age count.
    thresholds : Thresholds
    cohort : Cohort or None
    places : mapping, optional
        Where to look; by default the middle of each box.
    """
    fewest = int(thresholds["cohort_fewest_cases"])
    for name, size in sizes.items():
        if size.is_cut:
            continue
        place = (places or {}).get(name, size.place_mm)
        known = cohort.spread(name, "volume_ml", context.sex, fewest) if cohort else None
        if known is not None and cohort is not None:
            yield from _by_cohort(name, size, context.sex, thresholds, cohort, place)
        elif context.age_years is None or context.age_years >= thresholds["adult_years"]:
            yield from _by_adults(name, size, thresholds, place)


def _by_cohort(
    name: str,
    size: Size,
    sex: str | None,
    thresholds: Thresholds,
    cohort: Cohort,
    place: tuple[float, float, float],
) -> Iterator[Finding]:
    """Name the feature that is farthest from the cohort's median, if any is far."""
    fewest, least = int(thresholds["cohort_fewest_cases"]), thresholds["cohort_least_log_sd"]
    judged = []
    for feature in FEATURES:
        spread = cohort.spread(name, feature, sex, fewest)
        value = float(getattr(size, feature))
        if spread is not None and value > 0:
            judged.append((spread.z_score(value, least), feature, value, spread))
    if not judged:
        return
    z, feature, value, spread = max(judged, key=lambda each: abs(each[0]))
    if abs(z) <= thresholds["cohort_z"]:
        return
    what, unit = _SPOKEN[feature]
    digits = 2 if feature == "fill" else 1
    yield Finding(
        "size_unlike_cohort",
        f"{spoken(name)}: {what} {value:.{digits}f} {unit} against a median of "
        f"{spread.median:.{digits}f} {unit} in {spread.cases} cases".replace("  ", " "),
        (name,),
        {
            feature: round(value, 3),
            f"median_{feature}": round(spread.median, 3),
            "robust_z": round(z, 2),
            "cases": spread.cases,
        },
        severity="high" if abs(z) > thresholds["cohort_z_high"] else "medium",
        place_mm=place,
    )


def _by_adults(
    name: str, size: Size, thresholds: Thresholds, place: tuple[float, float, float]
) -> Iterator[Finding]:
    row = thresholds.volume_of(name)
    if row is None or row.low_ml <= size.volume_ml <= row.high_ml:
        return
    far = thresholds["adult_volume_high_ratio"]
    high = not row.low_ml / far <= size.volume_ml <= row.high_ml * far
    yield Finding(
        "size_unlike_adults",
        f"{spoken(name)} has {size.volume_ml:.1f} ml; whole ones of adults have {row.low_ml:g} to "
        f"{row.high_ml:g} ml",
        (name,),
        {
            "volume_ml": round(size.volume_ml, 2),
            "adults_low_ml": row.low_ml,
            "adults_high_ml": row.high_ml,
        },
        severity="high" if high else "medium",
        place_mm=place,
    )


RULE = Rule(
    "sizes",
    "Whole structures are as large as in the other cases, or as in published adults.",
    check,
    KINDS,
)
