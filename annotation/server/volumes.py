"""CTs and masks as the browser wants them: RAS, plain voxels; a few CTs stay in memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock, Semaphore
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annotation.patches import NOTHING, Patch
from annotation.server.voxel_order import VoxelOrder
from pipeline.workspace import Mask, Workspace

_LOADS_AT_ONCE = 2
_CHUNK_BYTES = 1 << 22


class Volumes:
    """CTs that were opened lately, in RAS order, and label maps made when asked for.

    Parameters
    ----------
    workspace : Workspace
    memory_bytes : int
        Of CTs kept; the newest one stays even when it is larger.
    """

    def __init__(self, workspace: Workspace, memory_bytes: int) -> None:
        self._workspace, self._memory_bytes = workspace, memory_bytes
        self._kept: OrderedDict[str, NDArray[np.int16]] = OrderedDict()
        self._loading: dict[str, Lock] = {}
        self._lock = Lock()
        self._loads = Semaphore(_LOADS_AT_ONCE)

    @property
    def kept_bytes(self) -> int:
        """Memory of the CTs that are kept."""
        with self._lock:
            return sum(array.nbytes for array in self._kept.values())

    def order(self, case_id: str) -> VoxelOrder:
        """Give how a case's voxels are turned."""
        return VoxelOrder(self._workspace.case(case_id).grid)

    def ct(self, case_id: str) -> NDArray[np.int16]:
        """Give a CT in RAS order: int16 HU, Fortran-ordered, not to be changed."""
        case = self._workspace.case(case_id)
        with self._only_once(case_id):
            kept = self._from_memory(case_id)
            if kept is not None:
                return kept
            with self._loads:
                turned = self.order(case.id).shown(self._workspace.ct(case_id))
            turned.setflags(write=False)
            self._keep(case_id, turned)
            return turned

    def labels(self, case_id: str) -> NDArray[np.integer[Any]]:
        """Give the label map of the masks in force in RAS order, Fortran-ordered."""
        with self._loads:
            return self.order(case_id).shown(self._workspace.label_map(case_id))

    def patch(self, mask: Mask | None) -> Patch:
        """Give a mask in the file's order; nothing for no mask."""
        if mask is None or not mask.voxels:
            return NOTHING
        return Patch(self._workspace.mask_crop(mask), mask.box)

    @contextmanager
    def _only_once(self, case_id: str) -> Iterator[None]:
        """Let others who ask for the same CT wait for the first one's."""
        with self._lock:
            lock = self._loading.setdefault(case_id, Lock())
        with lock:
            yield
        with self._lock:
            if not lock.locked():
                self._loading.pop(case_id, None)

    def _from_memory(self, case_id: str) -> NDArray[np.int16] | None:
        with self._lock:
            kept = self._kept.get(case_id)
            if kept is not None:
                self._kept.move_to_end(case_id)
            return kept

    def _keep(self, case_id: str, array: NDArray[np.int16]) -> None:
        with self._lock:
            self._kept[case_id] = array
            total = sum(each.nbytes for each in self._kept.values())
            while len(self._kept) > 1 and total > self._memory_bytes:
                total -= self._kept.popitem(last=False)[1].nbytes


def voxel_chunks(array: NDArray[np.generic], *, packed: bool) -> Iterator[bytes]:
    """Give an array's voxels as little-endian bytes, first axis fastest, in pieces.

    Parameters
    ----------
    array : ndarray
        Fortran-ordered.
    packed : bool
        As one gzip stream.
    """
    little = array.astype(array.dtype.newbyteorder("<"), copy=False)
    flat = little.reshape(-1, order="F").view(np.uint8).data
    pieces = (flat[start : start + _CHUNK_BYTES] for start in range(0, len(flat), _CHUNK_BYTES))
    if not packed:
        yield from (bytes(piece) for piece in pieces)
        return
    from isal import isal_zlib

    packer = isal_zlib.compressobj(1, wbits=31)
    for piece in pieces:
        if ready := packer.compress(piece):
            yield ready
    yield packer.flush()
