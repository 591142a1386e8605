"""A structure does not lie about in many small pieces."""

from collections.abc import Iterator

from pipeline.workspace import Finding
from qc.plausibility.cohort import Cohort
from qc.plausibility.rule import Rule
from qc.plausibility.scene import CaseScene
from qc.plausibility.thresholds import Thresholds
from qc.plausibility.wording import place_of, spoken


def check(scene: CaseScene, thresholds: Thresholds, cohort: Cohort | None) -> Iterator[Finding]:
    """Count loose pieces, also of structures that may be in several: bowel, veins."""
    fewest = thresholds["scattered_pieces"]
    for measured in scene.present():
        counted = [
            piece
            for piece in measured.pieces[1:]
            if piece.voxels >= thresholds["island_voxels"] and not piece.touches_edge
        ]
        if len(counted) < fewest:
            continue
        total_ml = sum(piece.voxels for piece in counted) * scene.grid.voxel_ml
        yield Finding(
            "scattered",
            f"{spoken(measured.name)} lies about in {len(counted)} loose pieces of together "
            f"{total_ml:.1f} ml",
            (measured.name,),
            {"pieces": len(counted), "pieces_ml": round(total_ml, 2)},
            severity="high" if len(counted) >= thresholds["scattered_pieces_high"] else "medium",
            place_mm=place_of(counted[0].place_mm),
        )


RULE = Rule(
    "scattered",
    "A structure does not lie about in many small pieces.",
    check,
    ("scattered",),
)
