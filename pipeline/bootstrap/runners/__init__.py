"""Ways to get a prediction out of a model. A new one is one file and one entry here."""

from pipeline.bootstrap.runners.command import CommandRunner
from pipeline.bootstrap.runners.labelmaps import LabelmapsRunner
from pipeline.bootstrap.runners.lungmask import LungmaskRunner
from pipeline.bootstrap.runners.nnunet import NnunetRunner
from pipeline.bootstrap.runners.runner import FoundModel, Runner, Search
from pipeline.bootstrap.runners.totalsegmentator import TotalsegmentatorRunner

__all__ = ["RUNNERS", "FoundModel", "Runner", "Search"]

_ALL: tuple[Runner, ...] = (
    LabelmapsRunner(),
    NnunetRunner(),
    TotalsegmentatorRunner(),
    LungmaskRunner(),
    CommandRunner(),
)
RUNNERS: dict[str, Runner] = {runner.name: runner for runner in _ALL}
