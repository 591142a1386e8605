"""A structure is in one piece, without islands far from it."""

from collections.abc import Iterator, Sequence

from pipeline.workspace import Finding
from qc.plausibility.cohort import Cohort
from qc.plausibility.rule import Rule
from qc.plausibility.scene import CaseScene
from qc.plausibility.scene_measures import EDGES, Measured, Piece, edges_of
from qc.plausibility.surroundings import piece_away_mm, pieces_apart_mm
from qc.plausibility.thresholds import Thresholds, fits
from qc.plausibility.wording import place_of, spoken

_IN_SEVERAL_PIECES = (
    "small_bowel",
    "colon",
    "duodenum",
    "costal_cartilages",
    "pulmonary_vein",
    "portal_vein_and_splenic_vein",
    "face",
    "kidney_cyst_*",
)

# Of those, tubes without a break as wide as a finger.
_ONE_TUBE = ("duodenum", "portal_vein_and_splenic_vein")


def check(scene: CaseScene, thresholds: Thresholds, cohort: Cohort | None) -> Iterator[Finding]:
    """Look at all pieces but the largest: fragments as large as itself, islands far away."""
    for measured in scene.present():
        if measured.piece_count > 1:
            yield from _pieces(scene, measured, thresholds)


def _pieces(scene: CaseScene, measured: Measured, thresholds: Thresholds) -> Iterator[Finding]:
    main, others = measured.pieces[0], measured.pieces[1:]
    voxel_ml = scene.grid.voxel_ml
    loose = fits(measured.name, _IN_SEVERAL_PIECES)
    fewest = max(thresholds["island_voxels"], thresholds["island_ml"] / voxel_ml)
    counted = [piece for piece in others if piece.voxels >= fewest]
    # What is cut may hang together beyond the field of view.
    inside = [piece for piece in counted if not _may_meet_outside(scene, main, piece)]
    if not inside:
        return
    share = inside[0].voxels / main.voxels
    if share >= thresholds["fragment_share"] and not loose:
        yield _fragment(measured, inside, voxel_ml, thresholds)
        return
    if share >= thresholds["fragment_share"] and fits(measured.name, _ONE_TUBE):
        break_mm = pieces_apart_mm(scene, measured, inside[0])
        if break_mm > thresholds["tube_break_mm"]:
            yield _fragment(measured, inside, voxel_ml, thresholds, break_mm)
            return
    far = [(piece, piece_away_mm(scene, measured, piece)) for piece in inside]
    far = [(piece, away) for piece, away in far if away > thresholds["island_away_mm"]]
    if loose:
        small = [p for p, _ in far if p.voxels < thresholds["loose_share"] * main.voxels]
        if small:
            yield _crumbs(measured, small, voxel_ml)
    elif far:
        yield _islands(measured, far, voxel_ml, thresholds)
    else:
        yield _crumbs(measured, inside, voxel_ml)


def _may_meet_outside(scene: CaseScene, one: Piece, other: Piece) -> bool:
    """Tell whether two pieces may hang together beyond the field of view.

    Not what leaves it at opposite ends: nothing goes all around.
    """
    opposite = {edge: over for ends in EDGES for edge, over in (ends, ends[::-1])}
    first, second = (edges_of(piece.box, scene.grid.shape) for piece in (one, other))
    return any(end != opposite[edge] for edge in first for end in second)


def _fragment(
    measured: Measured,
    pieces: Sequence[Piece],
    voxel_ml: float,
    thresholds: Thresholds,
    break_mm: float | None = None,
) -> Finding:
    share = pieces[0].voxels / measured.pieces[0].voxels
    # Thin structures break at a voxel or two on a coarse grid.
    apart = _voxels_apart(measured.pieces[0], pieces[0])
    broken = apart < thresholds["fragment_break_voxels"]
    high = share >= thresholds["fragment_share_high"] and not broken and break_mm is None
    return Finding(
        "fragments",
        f"{spoken(measured.name)} is in pieces: the second has {pieces[0].voxels * voxel_ml:.1f} "
        f"ml, {share:.0%} of the largest" + (f", {break_mm:.0f} mm away" if break_mm else ""),
        (measured.name,),
        {
            "pieces": len(pieces) + 1,
            "second_ml": round(pieces[0].voxels * voxel_ml, 2),
            "share_of_largest": round(share, 3),
        },
        severity="high" if high else "medium",
        place_mm=place_of(pieces[0].place_mm),
    )


def _islands(
    measured: Measured,
    far: Sequence[tuple[Piece, float]],
    voxel_ml: float,
    thresholds: Thresholds,
) -> Finding:
    piece, away = max(far, key=lambda each: each[0].voxels)
    total_ml = sum(each.voxels for each, _ in far) * voxel_ml
    high = away > thresholds["island_high_mm"] and total_ml >= thresholds["island_high_ml"]
    many = "an island" if len(far) == 1 else f"{len(far)} islands"
    return Finding(
        "island",
        f"{spoken(measured.name)} has {many} of {total_ml:.1f} ml, {away:.0f} mm away from it",
        (measured.name,),
        {"islands": len(far), "islands_ml": round(total_ml, 2), "away_mm": round(away, 1)},
        severity="high" if high else "medium",
        place_mm=place_of(piece.place_mm),
    )


def _crumbs(measured: Measured, pieces: Sequence[Piece], voxel_ml: float) -> Finding:
    total_ml = sum(piece.voxels for piece in pieces) * voxel_ml
    return Finding(
        "crumbs",
        f"{spoken(measured.name)} has {len(pieces)} small loose pieces beside it "
        f"({total_ml:.1f} ml)",
        (measured.name,),
        {"pieces": len(pieces), "pieces_ml": round(total_ml, 2)},
        severity="low",
        place_mm=place_of(pieces[0].place_mm),
    )


def _voxels_apart(one: Piece, other: Piece) -> int:
    """Count the voxels between the boxes of two pieces, along the axis where it is most."""
    apart = [
        int(max(b.start - a.stop, a.start - b.stop, 0))
        for a, b in zip(one.box, other.box, strict=True)
    ]
    return max(apart)


RULE = Rule(
    "pieces",
    "A structure is in one piece, without islands far from it.",
    check,
    ("fragments", "island", "crumbs"),
)
