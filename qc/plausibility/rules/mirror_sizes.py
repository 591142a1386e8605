"""A structure and its mirror are about equally large."""

from collections.abc import Iterator

from pipeline.workspace import Finding
from qc.plausibility.cohort import Cohort
from qc.plausibility.rule import Rule
from qc.plausibility.scene import CaseScene
from qc.plausibility.thresholds import Thresholds, fits
from qc.plausibility.wording import place_of, spoken

# Named as mirrors, but of different shape by nature.
_UNEQUAL = (
    "lung_*",
    "heart_*",
    "brachiocephalic_*",
    "subclavian_*",
    "common_carotid_*",
    "kidney_cyst_*",
)
_BY_CATEGORY = {"bone": "mirror_ratio_bone", "muscle": "mirror_ratio_muscle"}
_SHORT_RIBS = ("rib_*_12", "rib_*_11", "rib_*_1")
_ILIAC = ("iliac_artery_*", "iliac_vena_*")


def check(scene: CaseScene, thresholds: Thresholds, cohort: Cohort | None) -> Iterator[Finding]:
    """Compare the volumes of each pair that the field of view leaves whole."""
    for structure in scene.class_map:
        if structure.side != "left" or structure.mirror is None or fits(structure.name, _UNEQUAL):
            continue
        left, right = scene.get(structure.name), scene.get(structure.mirror)
        if left is None or right is None or left.is_cut or right.is_cut:
            continue
        name = _BY_CATEGORY.get(structure.category or "", "mirror_ratio_organ")
        if fits(structure.name, _SHORT_RIBS):
            name = "mirror_ratio_short_rib"
        elif fits(structure.name, _ILIAC):
            name = "mirror_ratio_iliac"
        limit = thresholds[name]
        small, large = sorted((left, right), key=lambda measured: measured.volume_ml)
        ratio = large.volume_ml / small.volume_ml
        if ratio > limit:
            yield Finding(
                "mirror_size",
                f"{spoken(large.name)} ({large.volume_ml:.1f} ml) is {ratio:.1f} times as large as "
                f"{spoken(small.name)} ({small.volume_ml:.1f} ml)",
                (left.name, right.name),
                {"ratio": round(ratio, 2), "at_most": limit},
                severity="high" if ratio > limit * thresholds["mirror_ratio_high"] else "medium",
                place_mm=place_of(small.place_mm),
            )


RULE = Rule(
    "mirror_sizes",
    "A structure and its mirror are about equally large.",
    check,
    ("mirror_size",),
)
