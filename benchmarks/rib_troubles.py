"""What makes ribs hard to tell apart: breaks, contacts, missing and extra ribs, crops."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from benchmarks.rib_bodies import Chest, Labels, Mask, Points

BREAKS, BRIDGES = 4, 5
YIELDING_MM = 60.0  # how far from a break a displaced end reaches
ROUGHNESS = 0.22

Change = Callable[[Chest, np.random.Generator], Chest]


def broken(chest: Chest, rng: np.random.Generator) -> Chest:
    """Take 10 to 20 mm out of four ribs; shift one of the two ends of two of them by 4 to 9 mm."""
    labels, spacing = chest.labels.copy(), chest.spacing_mm
    for number, name in enumerate(rng.choice(list(chest.ribs), BREAKS, replace=False)):
        rows = np.argwhere(labels == chest.ribs[str(name)])
        middle = rows[rng.integers(len(rows))]
        away = np.linalg.norm((rows - middle) * spacing, axis=1)
        if number < BREAKS // 2:
            near = (rows[away < 20.0] - middle) * spacing
            axis = np.linalg.svd(near - near.mean(axis=0), full_matrices=False)[2][0]
            across = np.cross(axis, rng.normal(size=3))
            across *= rng.uniform(4, 9) / np.linalg.norm(across)
            shift = across - rng.uniform(0, 4) * axis
            yield_end(chest, labels, chest.ribs[str(name)], middle * spacing, axis, shift)
        labels[tuple(rows[away < rng.uniform(5, 10)].T)] = 0
    return replace(chest, labels=labels)


def yield_end(
    chest: Chest, labels: Labels, value: int, middle_mm: Points, axis: Points, shift_mm: Points
) -> None:
    """Bend the part of a rib that lies along an axis from a break, most at the break itself."""
    spacing, shape = chest.spacing_mm, np.array(labels.shape)
    low = np.maximum((middle_mm - YIELDING_MM) // spacing, 0).astype(int)
    high = np.minimum((middle_mm + YIELDING_MM) // spacing + 1, shape).astype(int)
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    there = np.indices(tuple(high - low)).reshape(3, -1).T + low
    off = there * spacing - middle_mm
    weight = np.clip(1 - np.linalg.norm(off, axis=1) / YIELDING_MM, 0, 1)
    moving = (off @ axis > 0) & (weight > 0)
    origin = np.round(there - weight[:, None] * shift_mm / spacing).astype(int)
    origin = np.clip(origin, 0, shape - 1)
    new = moving & (labels[tuple(origin.T)] == value)
    old = moving & (labels[tuple(there.T)] == value)
    bones = [s.value for s in chest.class_map if s.name.startswith(("rib_", "vertebrae_"))]
    taken = np.isin(labels[box].reshape(-1), bones) & ~old
    labels[tuple(there[old & ~new].T)] = 0
    labels[tuple(there[new & ~taken].T)] = value


def bridged(chest: Chest, rng: np.random.Generator) -> Chest:
    """Lay five bridges of 6 mm from a rib to the next, where they come near each other."""
    from scipy.spatial import KDTree

    spacing, bridges = chest.spacing_mm, np.zeros(chest.labels.shape, bool)
    for _ in range(BRIDGES):
        side, number = rng.choice(["left", "right"]), int(rng.integers(1, 12))
        upper, lower = (chest.rows(f"rib_{side}_{n}") * spacing for n in (number, number + 1))
        found = KDTree(lower).query(upper)
        gap, nearest = np.asarray(found[0]), np.asarray(found[1])
        start = int(rng.choice(np.argsort(gap)[: max(len(gap) // 2, 1)]))
        lay_bar(bridges, spacing, upper[start], lower[nearest[start]])
    return replace(chest, added=bridges)


def lay_bar(
    mask: Mask, spacing_mm: Points, start: Points, end: Points, radius_mm: float = 3.0
) -> None:
    """Draw a round bar between two points (mm) into a mask."""
    low = np.maximum((np.minimum(start, end) - radius_mm) // spacing_mm, 0).astype(int)
    high = ((np.maximum(start, end) + radius_mm) // spacing_mm + 2).astype(int)
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    rows = np.argwhere(np.ones_like(mask[box])) + low
    points, way = rows * spacing_mm, end - start
    along = np.clip((points - start) @ way / max(float(way @ way), 1e-9), 0, 1)
    near = np.linalg.norm(points - start - along[:, None] * way, axis=1) <= radius_mm
    mask[tuple(rows[near].T)] = True


def broken_and_bridged(chest: Chest, rng: np.random.Generator) -> Chest:
    """Break some ribs and bridge some, perhaps the same ones."""
    return replace(broken(chest, rng), added=bridged(chest, rng).added)


def rough(chest: Chest, rng: np.random.Generator) -> Chest:
    """Give all ribs a rough surface with holes and bumps, as of a mask nobody smoothed."""
    from scipy.ndimage import gaussian_filter

    ribs = chest.mask
    noise = gaussian_filter(rng.normal(size=ribs.shape).astype(np.float32), 1.2)
    field = gaussian_filter(ribs.astype(np.float32), 0.7) + ROUGHNESS * noise / noise.std()
    near = gaussian_filter(ribs.astype(np.float32), 1.5) > 0.05
    drawn = (field > 0.5) & near
    return replace(chest, labels=np.where(ribs & ~drawn, 0, chest.labels), added=drawn & ~ribs)


def without_necks(chest: Chest, rng: np.random.Generator) -> Chest:
    """Take away what lies within 30 to 45 mm of the vertebra's centre, as in RibSeg's masks."""
    labels = chest.labels.copy()
    for side in ("left", "right"):
        for number in range(1, 13):
            rows = chest.rows(f"rib_{side}_{number}")
            centre = chest.rows(f"vertebrae_T{number}").mean(axis=0)
            away = np.linalg.norm((rows - centre) * chest.spacing_mm, axis=1)
            labels[tuple(rows[away < rng.uniform(30, 45)].T)] = 0
    return replace(chest, labels=labels)


def lumbar_ribs(chest: Chest, rng: np.random.Generator) -> Chest:
    """Add a 13th pair of 30 to 70 mm at L1, shaped like the back of the twelfth."""
    return _more_ribs(chest, 12, ("vertebrae_T12", "vertebrae_L1"), rng.uniform(30, 70, 2))


def cervical_ribs(chest: Chest, rng: np.random.Generator) -> Chest:
    """Add a pair of 30 to 50 mm at C7, shaped like the back of the first."""
    return _more_ribs(chest, 1, ("vertebrae_T1", "vertebrae_C7"), rng.uniform(30, 50, 2))


def _more_ribs(chest: Chest, number: int, levels: tuple[str, str], reach_mm: Points) -> Chest:
    """Copy the backs of a pair of ribs from one vertebra to another, where nothing else is."""
    spacing = chest.spacing_mm
    own, other = (chest.rows(level).mean(axis=0) for level in levels)
    bones = [s.value for s in chest.class_map if s.name.startswith(("rib_", "vertebrae_"))]
    extras = {}
    for side, reach in zip(("left", "right"), reach_mm, strict=True):
        rows = chest.rows(f"rib_{side}_{number}")
        head = rows[np.linalg.norm((rows - own) * spacing, axis=1).argmin()]
        back = rows[np.linalg.norm((rows - head) * spacing, axis=1) <= reach]
        moved = back + np.round(other - own).astype(int)
        moved = moved[((moved >= 0) & (moved < chest.labels.shape)).all(axis=1)]
        extra = np.zeros(chest.labels.shape, bool)
        extra[tuple(moved.T)] = True
        extras[f"rib_{side}_{number}"] = extra & ~np.isin(chest.labels, bones)
    return replace(chest, extras=extras)


VARIANTS: Mapping[str, Change] = {
    "as they are": lambda chest, _: chest,
    "four fractures of 10 to 20 mm, two displaced": broken,
    "five bridges of 6 mm to the next rib": bridged,
    "four fractures and five bridges": broken_and_bridged,
    "rough surface, holes and bumps": rough,
    "necks missing, 30 to 45 mm": without_necks,
    "the first pair missing": lambda chest, _: chest.without("rib_left_1", "rib_right_1"),
    "11 pairs, no twelfth": lambda chest, _: chest.without("rib_left_12", "rib_right_12"),
    "one twelfth rib missing": lambda chest, _: chest.without("rib_left_12"),
    "13 pairs, lumbar ribs": lumbar_ribs,
    "cervical ribs": cervical_ribs,
    "upper half of the chest": lambda chest, rng: chest.between(rng.uniform(0.3, 0.5), 2),
    "lower half of the chest": lambda chest, rng: chest.between(-1, rng.uniform(0.4, 0.7)),
    "neither end in view": lambda chest, _: chest.between(0.25, 0.75),
}
