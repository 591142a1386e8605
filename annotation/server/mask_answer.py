"""A mask's crop as an answer."""

from __future__ import annotations

import numpy as np
from fastapi import Request
from fastapi.responses import Response

from annotation.patches import Patch
from annotation.server.voxel_order import box_text


def mask_answer(
    request: Request, patch: Patch, mask_id: str, sequence: int | None = None
) -> Response:
    """Give one byte a voxel, 0 or 1, first axis fastest, with the place in the headers.

    Parameters
    ----------
    request : Request
    patch : Patch
        In RAS order.
    mask_id : str
        The revision; with a draft its base, empty for none.
    sequence : int, optional
        Of the last stroke in a draft.
    """
    body = patch.crop.astype(np.uint8).tobytes(order="F")
    headers = {
        "X-Masksmith-Box": box_text(patch.box),
        "X-Masksmith-Mask": mask_id or "none",
        "Vary": "Accept-Encoding",
    }
    if sequence is not None:
        headers["X-Masksmith-Sequence"] = str(sequence)
    if "gzip" in request.headers.get("accept-encoding", ""):
        from isal import igzip

        body = igzip.compress(body, 1)
        headers["Content-Encoding"] = "gzip"
    return Response(body, media_type="application/octet-stream", headers=headers)
