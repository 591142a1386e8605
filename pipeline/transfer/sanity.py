"""Figures of a carried pair that a person can judge at a glance: millilitres and brightness."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.transfer.carry import Carried
from pipeline.transfer.working_scan import Scan
from pipeline.workspace import Finding

# Blood is some 40 HU without a contrast agent; with one, the chambers are 100 HU and more.
LEAST_ENHANCEMENT_HU = 30.0
_NO_BLOOD = "myocardium"


def sanity_figures(
    contrast: Scan,
    labels: NDArray[np.integer[Any]],
    native: Scan,
    carried: Carried,
    names: Mapping[int, str],
) -> dict[str, Any]:
    """Give the volume of each structure and the brightness of the blood in both scans.

    Parameters
    ----------
    labels : ndarray of integer, shape of the contrast grid
    names : mapping
        Label to structure.

    Returns
    -------
    dict
        ``volume_ml``: structure to ``contrast`` and ``native``. ``blood_hu``: median of the
        chambers and vessels in each; what is not there is left out.
    """
    ct = native.ct[carried.box]
    volumes = {
        name: {
            "contrast": round(int((labels == value).sum()) * contrast.grid.voxel_ml, 2),
            "native": round(int((carried.labels == value).sum()) * native.grid.voxel_ml, 2),
        }
        for value, name in names.items()
    }
    blood = [value for value, name in names.items() if _NO_BLOOD not in name]
    bright = {"contrast": contrast.ct[np.isin(labels, blood)]}
    bright["native"] = ct[np.isin(carried.labels, blood)]
    medians = {n: float(np.median(hu.astype(np.float32))) for n, hu in bright.items() if hu.size}
    return {"volume_ml": volumes, "blood_hu": medians}


def doubts(figures: Mapping[str, Any], contrast: str) -> tuple[Finding, ...]:
    """Give a finding if the blood of the contrast scan is hardly brighter than the native one's.

    Parameters
    ----------
    figures : mapping
        As :func:`sanity_figures` gave them.
    contrast : str
        Id of the contrast case.
    """
    hu = figures["blood_hu"]
    if len(hu) < 2 or hu["contrast"] - hu["native"] >= LEAST_ENHANCEMENT_HU:
        return ()
    words = (
        f"the blood of the contrast scan {contrast} has {hu['contrast']:.0f} HU, that of this "
        f"scan {hu['native']:.0f}: expected {LEAST_ENHANCEMENT_HU:g} more; check the phases"
    )
    return (Finding("contrast_doubtful", words, (), dict(hu)),)
