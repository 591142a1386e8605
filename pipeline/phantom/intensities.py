"""HU of every tissue in every contrast phase.

Values follow textbook ranges for multiphase abdominal CT at 120 kVp: arterial at about 35 s,
portal venous at 70 s, late at 5 min. A name with ":rim" is the outer layer of that tissue.
"""

from collections.abc import Mapping
from typing import Final

from pipeline.phantom.settings import PHASES, Phase

Row = tuple[int, int, int, int]

SIDES: Final = ("left", "right")
VERTEBRAE: Final = (
    *(f"vertebrae_L{n}" for n in range(5, 0, -1)),
    *(f"vertebrae_T{n}" for n in range(12, 0, -1)),
    *(f"vertebrae_C{n}" for n in range(7, 0, -1)),
)
RIBS: Final = tuple(f"rib_{side}_{n}" for side in SIDES for n in range(1, 13))
LIMB_BONES: Final = tuple(
    f"{name}_{side}"
    for name in ("humerus", "scapula", "clavicula", "femur", "hip")
    for side in SIDES
)
MUSCLES: Final = tuple(
    f"{name}_{side}"
    for name in (
        "gluteus_maximus",
        "gluteus_medius",
        "gluteus_minimus",
        "autochthon",
        "iliopsoas",
    )
    for side in SIDES
)
LOBES: Final = (
    "lung_upper_lobe_left",
    "lung_lower_lobe_left",
    "lung_upper_lobe_right",
    "lung_middle_lobe_right",
    "lung_lower_lobe_right",
)
BONES: Final = (*VERTEBRAE, "sacrum", *RIBS, *LIMB_BONES)

_SOFT: Final[Mapping[str, Row]] = {
    # structure: native, arterial, portal venous, late
    "aorta": (42, 300, 155, 115),
    "iliac_artery_left": (42, 290, 150, 113),
    "iliac_artery_right": (42, 290, 150, 113),
    "pulmonary_artery": (42, 220, 145, 112),
    "inferior_vena_cava": (40, 75, 135, 112),
    "iliac_vena_left": (40, 45, 115, 110),
    "iliac_vena_right": (40, 45, 115, 110),
    "portal_vein_and_splenic_vein": (40, 95, 175, 120),
    "heart_myocardium": (46, 115, 110, 92),
    "heart_ventricle_left": (41, 290, 150, 113),
    "heart_atrium_left": (41, 285, 150, 113),
    "heart_ventricle_right": (41, 190, 145, 112),
    "heart_atrium_right": (41, 175, 142, 112),
    "liver": (55, 65, 110, 92),
    "spleen": (47, 130, 120, 92),
    "pancreas": (40, 105, 92, 72),
    "kidney_left": (31, 100, 165, 150),
    "kidney_right": (31, 100, 165, 150),
    "kidney_left:rim": (34, 190, 190, 150),
    "kidney_right:rim": (34, 190, 190, 150),
    "adrenal_gland_left": (22, 65, 70, 45),
    "adrenal_gland_right": (22, 65, 70, 45),
    "gallbladder": (9, 9, 9, 10),
    "urinary_bladder": (5, 5, 7, 60),
    "esophagus": (35, 48, 58, 52),
    "stomach": (18, 18, 18, 18),
    "stomach:rim": (38, 75, 85, 68),
    "duodenum": (22, 26, 28, 26),
    "duodenum:rim": (38, 85, 88, 68),
    "small_bowel": (22, 26, 28, 26),
    "small_bowel:rim": (38, 90, 90, 68),
    "colon": (25, 25, 25, 25),
    "colon:rim": (38, 65, 75, 62),
    "brain": (35, 40, 41, 39),
    "face": (25, 35, 38, 35),
    "trachea": (-960, -960, -960, -960),
    # not labelled
    "air": (-1000, -1000, -1000, -1000),
    "fat:rim": (10, 15, 20, 18),
    "fat": (-105, -104, -102, -102),
    "sheath": (-60, -58, -55, -56),
    "visceral_fat": (-100, -98, -95, -96),
    "muscle": (55, 58, 63, 61),
    "mediastinum": (-70, -65, -60, -62),
    "vein": (40, 120, 140, 112),
    "artery": (42, 300, 155, 115),
    "lung_vessel": (38, 150, 110, 85),
    "liver_vein": (40, 50, 165, 115),
    "renal_pelvis": (5, 6, 10, 400),
    "gas": (-900, -900, -900, -900),
    "stool": (0, 0, 0, 0),
    "disc": (80, 82, 86, 84),
    "cord": (38, 38, 40, 39),
    "cartilage": (110, 110, 112, 111),
    "thyroid": (110, 190, 165, 135),
    "prostate_uterus": (42, 65, 90, 80),
    "breast_gland": (25, 35, 45, 42),
    "eye": (12, 12, 13, 12),
    "brain_fluid": (8, 8, 8, 8),
    "tooth": (1800, 1800, 1800, 1800),
    "table": (-450, -450, -450, -450),
    "table:rim": (-50, -50, -50, -50),
}
OTHER_BONES: Final = ("sternum", "skull", "forearm_bone")


def _table() -> dict[str, Row]:
    table: dict[str, Row] = dict(_SOFT)
    for name in LOBES:
        table[name] = (-825, -818, -815, -818)
    for name in MUSCLES:
        table[name] = (54, 58, 62, 60)
    for name in (*BONES, *OTHER_BONES):
        table[name] = (200, 205, 210, 205)
        table[name + ":rim"] = (760, 760, 765, 760)
    for name in RIBS:
        table[name] = (180, 183, 188, 184)
        table[name + ":rim"] = (640, 640, 645, 640)
    for name in VERTEBRAE:
        table[name] = (170, 175, 182, 176)
        table[name + ":rim"] = (560, 560, 565, 560)
    table["skull"] = (650, 650, 650, 650)
    table["skull:rim"] = (1100, 1100, 1100, 1100)
    return table


HU: Final[Mapping[str, Row]] = _table()
"""HU by tissue; one value per phase of `PHASES`."""

STRUCTURES: Final = tuple(
    sorted(
        {
            *BONES,
            *MUSCLES,
            *LOBES,
            *(n for n in list(_SOFT)[: list(_SOFT).index("air")] if not n.endswith(":rim")),
        }
    )
)
"""The names of everything a body holds that a class map may label."""

TISSUES: Final = ("air", *(n for n in HU if n != "air" and not n.endswith(":rim")))
"""All paintable tissues; the place in this tuple is the code in a canvas; air is 0."""


def hu_of(tissue: str, phase: Phase) -> int:
    """Return the HU of a tissue (or of its ":rim") in one phase."""
    return HU[tissue][PHASES.index(phase)]


GASSY: Final = ("colon", "stomach")


def expected_mean_hu(structure: str, phase: Phase) -> tuple[float, float]:
    """Return the range in which the mean HU over a structure's mask lies.

    It spans the structure's inner and rim values, widened by 20 HU and by 15 % of the distance
    to fat, since border voxels mix with what lies around; where there is gas, by 120 HU more.
    """
    inner = hu_of(structure, phase)
    rim = hu_of(structure + ":rim", phase) if structure + ":rim" in HU else inner
    low, high = min(inner, rim), max(inner, rim)
    slack = 20 + 0.15 * (abs(low) + 100)
    return low - slack - (120 if structure in GASSY else 0), high + slack
