"""Binary rib mask -> strands: unbranched stretches of bone, cut where ribs touch.

Each connected piece is sliced along its own length (distance inside the bone from one tip). A
slice that meets more than two others, or is far wider than a rib, is where bones touch; there
the piece is cut. What is left are stretches of one rib each, to be joined again in `chains`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import coo_array

Points = NDArray[np.float64]

STEP_MM = 6.0
SMALLEST_PIECE_MM3 = 60.0
WIDE = 1.75  # times the usual cross-section: two ribs side by side
FRINGE = 0.3  # of a usual slice: a bump on the bone, not a branch
END_NODES = 4
SHORTEST_MM = 5.0


def length_mm(line: Points) -> float:
    """Length of a line of points (n, 3) in mm."""
    return float(np.linalg.norm(np.diff(line, axis=0), axis=1).sum())


@dataclass(frozen=True, slots=True)
class Strand:
    """One unbranched stretch of bone.

    Attributes
    ----------
    voxels : ndarray of int, shape (n,)
        Rows of the point list that belong to it.
    line : ndarray, shape (m, 3)
        Centres of its slices in mm, in order along the bone.
    """

    voxels: NDArray[np.int64]
    line: Points

    @property
    def length_mm(self) -> float:
        """Length of the line."""
        return length_mm(self.line)

    def end(self, last: bool) -> tuple[Points, Points]:
        """Give the place (mm) and the outward unit direction of one of the two ends."""
        line = self.line if last else self.line[::-1]
        reach = line[-min(END_NODES, len(line)) :]
        way = reach[-1] - reach[0]
        size = float(np.linalg.norm(way))
        return line[-1], way / size if size > 0 else np.zeros(3)


@dataclass(frozen=True, slots=True)
class Place:
    """A place that was cut out, and the strands that met there.

    With two strands it is but a thick or crooked stretch of one bone; with more, ribs touch.
    """

    centre: Points
    strands: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Bones:
    """The strands of a mask, and its voxels as points.

    Attributes
    ----------
    index : ndarray of int, shape (n, 3)
        Voxel indices of the mask.
    points : ndarray, shape (n, 3)
        The same in mm.
    strands : tuple of Strand
    places : tuple of Place
        Where pieces were cut.
    """

    index: NDArray[np.int64]
    points: Points
    strands: tuple[Strand, ...]
    places: tuple[Place, ...]


def find_strands(ribs: NDArray[np.bool_], spacing_mm: Points) -> Bones:
    """Cut a binary rib mask (I, J, K) into strands.

    Parameters
    ----------
    ribs : ndarray of bool, shape (I, J, K)
    spacing_mm : ndarray, shape (3,)

    Returns
    -------
    Bones
        Pieces below 60 mm3 belong to no strand.
    """
    from scipy.sparse.csgraph import connected_components

    index = np.argwhere(ribs)
    points = index * spacing_mm
    graph = _neighbours(ribs, index, spacing_mm)
    piece = connected_components(graph, directed=False)[1].astype(np.int64)
    voxel_mm3 = float(np.prod(spacing_mm))
    nodes = _slices(points, piece, graph)
    volume: Points = np.bincount(nodes) * np.float64(voxel_mm3)
    large = np.bincount(piece)[piece] * voxel_mm3 >= SMALLEST_PIECE_MM3
    edges = _edges(nodes, graph)
    keep = np.zeros(len(volume), bool)
    keep[np.unique(nodes[large])] = True
    return _strands(_Net(index, points, nodes, volume, edges, keep))


@dataclass(slots=True)
class _Net:
    index: NDArray[np.int64]
    points: Points
    nodes: NDArray[np.int64]
    volume: Points
    edges: NDArray[np.int64]
    keep: NDArray[np.bool_]


def _neighbours(ribs: NDArray[np.bool_], index: NDArray[np.int64], spacing_mm: Points) -> coo_array:
    """Link every voxel with its 26 neighbours, weighted by mm."""
    from scipy.sparse import coo_array

    number = np.full(tuple(n + 2 for n in ribs.shape), -1, np.int32)
    number[1:-1, 1:-1, 1:-1][ribs] = np.arange(len(index))
    starts, ends, lengths = [], [], []
    for step in np.ndindex(3, 3, 3):
        offset = np.array(step) - 1
        if tuple(offset) <= (0, 0, 0):
            continue
        other = number[tuple((index + 1 + offset).T)]
        there = other >= 0
        starts.append(np.flatnonzero(there))
        ends.append(other[there])
        lengths.append(np.full(int(there.sum()), np.linalg.norm(offset * spacing_mm)))
    size = len(index)
    where = (np.concatenate(starts), np.concatenate(ends))
    return coo_array((np.concatenate(lengths), where), shape=(size, size))


def _slices(points: Points, piece: NDArray[np.int64], graph: coo_array) -> NDArray[np.int64]:
    """Give the slices numbers: connected voxels of one piece at equal distance from its tip."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components, dijkstra

    way = graph.tocsr()
    first = np.unique(piece, return_index=True)[1]
    once = dijkstra(way, directed=False, indices=first, min_only=True)
    tips = _farthest(once, piece)
    distance = dijkstra(way, directed=False, indices=tips, min_only=True)
    slab = np.floor(distance / STEP_MM).astype(np.int64)
    same = slab[graph.coords[0]] == slab[graph.coords[1]]
    within = coo_array(
        (np.ones(int(same.sum())), (graph.coords[0][same], graph.coords[1][same])),
        shape=graph.shape,
    )
    return connected_components(within, directed=False)[1].astype(np.int64)


def _farthest(distance: Points, piece: NDArray[np.int64]) -> NDArray[np.int64]:
    order = np.lexsort((distance, piece))
    last = np.flatnonzero(np.diff(piece[order], append=-1))
    return order[last]


def _edges(nodes: NDArray[np.int64], graph: coo_array) -> NDArray[np.int64]:
    pairs = np.stack((nodes[graph.coords[0]], nodes[graph.coords[1]]), axis=1)
    pairs = np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1)
    return np.unique(pairs, axis=0) if len(pairs) else pairs


def _strands(net: _Net) -> Bones:
    """Drop bumps and contacts, then read the paths that are left."""
    usual = float(np.median(net.volume[net.keep])) if net.keep.any() else 0.0
    _drop_bumps(net, usual)
    degree = _degrees(net)
    contact = net.keep & ((degree > 2) | (net.volume > WIDE * usual))
    piece = _labels(net, net.keep)
    net.keep &= ~contact
    groups = _labels(net, net.keep)
    order = np.argsort(groups[net.nodes], kind="stable")
    bounds = np.searchsorted(groups[net.nodes][order], np.arange(groups.max() + 2))
    centres = _centres(net)
    strands: list[Strand] = []
    number: dict[int, int] = {}
    for group in range(groups.max() + 1):
        members = np.flatnonzero(groups == group)
        line = centres[_walk(members, net)]
        voxels = order[bounds[group] : bounds[group + 1]]
        strand = Strand(voxels, line if len(line) > 1 else _axis(net.points[voxels]))
        if strand.length_mm >= SHORTEST_MM:
            number[group] = len(strands)
            strands.append(strand)
        else:
            contact[members] = True
    strands += _lumps(net, piece, strands)
    places = _labels(net, contact)
    met = _meetings(net, places, groups, number)
    cut = [Place(_centre(net, places == place), met[place]) for place in sorted(met) if met[place]]
    return Bones(net.index, net.points, tuple(strands), tuple(cut))


def _centre(net: _Net, slices: NDArray[np.bool_]) -> Points:
    middle: Points = net.points[slices[net.nodes]].mean(axis=0)
    return middle


def _meetings(
    net: _Net, places: NDArray[np.int64], groups: NDArray[np.int64], number: dict[int, int]
) -> dict[int, tuple[int, ...]]:
    """List for every cut-out place the strands that met there."""
    met: dict[int, set[int]] = {place: set() for place in range(int(places.max()) + 1)}
    for one, other in net.edges.tolist():
        for a, b in ((one, other), (other, one)):
            if places[a] >= 0 and int(groups[b]) in number:
                met[int(places[a])].add(number[int(groups[b])])
    return {place: tuple(sorted(strands)) for place, strands in met.items()}


def _lumps(net: _Net, piece: NDArray[np.int64], strands: Sequence[Strand]) -> list[Strand]:
    """Make one strand of every piece of which the cuts left nothing: a bit of one rib."""
    of_voxel = piece[net.nodes]
    with_strand = {int(of_voxel[strand.voxels[0]]) for strand in strands}
    found = []
    for number in range(int(piece.max()) + 1):
        if number not in with_strand:
            voxels = np.flatnonzero(of_voxel == number)
            found.append(Strand(voxels, _axis(net.points[voxels])))
    return [strand for strand in found if strand.length_mm >= SHORTEST_MM]


def _axis(points: Points) -> Points:
    """Give both ends (2, 3) of the longest axis of points that form one lump."""
    middle = points.mean(axis=0)
    axis = np.linalg.svd(points - middle, full_matrices=False)[2][0]
    along = (points - middle) @ axis
    return np.array([middle + axis * along.min(), middle + axis * along.max()])


def _drop_bumps(net: _Net, usual: float) -> None:
    degree = _degrees(net)
    small = net.keep & (degree == 1) & (net.volume < FRINGE * usual)
    ends = net.edges[small[net.edges].any(axis=1)]
    for one, other in ends.tolist():
        bump, base = (one, other) if small[one] else (other, one)
        if degree[base] > 2:
            net.keep[bump] = False


def _degrees(net: _Net) -> NDArray[np.int64]:
    alive = net.keep[net.edges].all(axis=1)
    return np.bincount(net.edges[alive].ravel(), minlength=len(net.keep))


def _labels(net: _Net, chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Give numbers to the connected groups of chosen slices from 0; -1 elsewhere."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    alive = net.edges[chosen[net.edges].all(axis=1)]
    size = len(chosen)
    links = coo_array((np.ones(len(alive)), (alive[:, 0], alive[:, 1])), shape=(size, size))
    labels = connected_components(links, directed=False)[1].astype(np.int64)
    labels[~chosen] = -1
    values = np.unique(labels[chosen])
    found = np.searchsorted(values, labels)
    return np.where(chosen, found, -1)


def _centres(net: _Net) -> Points:
    count = np.bincount(net.nodes)
    sums = [np.bincount(net.nodes, net.points[:, axis]) for axis in range(3)]
    return np.stack(sums, axis=1) / count[:, None]


def _walk(members: NDArray[np.int64], net: _Net) -> NDArray[np.int64]:
    """Order the slices of an unbranched group from one end to the other."""
    inside = set(members.tolist())
    near: dict[int, list[int]] = {node: [] for node in inside}
    alive = net.edges[np.isin(net.edges, members).all(axis=1)]
    for one, other in alive.tolist():
        near[one].append(other)
        near[other].append(one)
    start = min((n for n in near if len(near[n]) <= 1), default=int(members[0]))
    way, seen = [start], {start}
    while True:
        following = [n for n in near[way[-1]] if n not in seen]
        if not following:
            return np.array(way)
        way.append(following[0])
        seen.add(following[0])
