"""What is measured, against whom, and what we want it to be."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.contender import ROOT, Contender

PEER_PYTHON = ROOT / ".venv-bench" / "bin" / "python"


@dataclass(frozen=True)
class Comparison:
    """One A/B measurement.

    Attributes
    ----------
    name : str
        What `--only` takes.
    title : str
        As it stands above the table.
    ours, peer : str
        Modules of this folder that do the work.
    peer_name : str
    goal : float
        Peer's seconds over ours, at least.
    runs : int
        Measured runs of each, after one to warm up.
    peer_python : Path
        The interpreter of the peer's environment.
    same : tuple of str
        Facts on which both must agree, or they did not do the same work.
    """

    name: str
    title: str
    ours: str
    peer: str
    peer_name: str
    goal: float
    runs: int
    peer_python: Path = Path(sys.executable)
    same: tuple[str, ...] = field(default=())

    def contenders(self, folder: Path) -> tuple[Contender, Contender]:
        """Return both sides, ready to be started on the benchmark's data in `folder`."""
        environment = _environment()
        return (
            Contender("masksmith", [sys.executable, "-m", self.ours, str(folder)], environment),
            Contender(
                self.peer_name, [str(self.peer_python), "-m", self.peer, str(folder)], environment
            ),
        )


def _environment() -> Mapping[str, str]:
    """Return our environment with the checkout first on the path and no settings of Masksmith's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MASKSMITH_")}
    return {**kept, "PYTHONPATH": str(ROOT)}


COMPARISONS = (
    Comparison(
        name="rendering",
        title="One picture of a subject, as PNG; ours with pick map and panels",
        ours="benchmarks.ours_rendering",
        peer="benchmarks.peer_preview",
        peer_name="TotalSegmentator 2.18.0 preview",
        goal=15,
        runs=3,
        peer_python=PEER_PYTHON,
    ),
    Comparison(
        name="loading",
        title="All masks of a case into one label map",
        ours="benchmarks.ours_loading",
        peer="benchmarks.peer_loading",
        peer_name="nibabel, full-size .nii.gz",
        goal=50,
        runs=5,
        same=("digest", "labels"),
    ),
    Comparison(
        name="saving",
        title="All masks of a case from one label map",
        ours="benchmarks.ours_saving",
        peer="benchmarks.peer_saving",
        peer_name="nibabel, full-size .nii.gz",
        goal=15,
        runs=5,
        same=("masks",),
    ),
    Comparison(
        name="nsd",
        title="NSD at 3 mm of every structure of a case",
        ours="benchmarks.ours_nsd",
        peer="benchmarks.peer_nsd",
        peer_name="DeepMind surface-distance 0.1",
        goal=8,
        runs=3,
        same=("structures", "mean"),
    ),
    Comparison(
        name="measuring",
        title="Volume, HU, centroid and border of every structure of a case",
        ours="benchmarks.ours_measuring",
        peer="benchmarks.peer_measuring",
        peer_name="NumPy, one mask after the other",
        goal=50,
        runs=3,
        same=("structures", "digest"),
    ),
)
