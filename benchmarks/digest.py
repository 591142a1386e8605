"""One digest of a label map, so that two contenders can be seen to have made the same one."""

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray


def label_map_facts(labels: NDArray[np.integer[Any]]) -> dict[str, Any]:
    """Return shape, number of labels and digest of a label map in any memory order."""
    voxels = np.asfortranarray(labels, dtype=np.uint16)
    return {
        "shape": list(voxels.shape),
        "labels": int(np.count_nonzero(np.bincount(voxels.reshape(-1, order="F"))[1:])),
        "digest": hashlib.sha256(voxels.tobytes(order="F")).hexdigest()[:16],
    }
