"""The command `simulate`, on files: rounds with a computed annotator on synthetic bodies."""

from pipeline.simulation.settings import SimulationSettings
from pipeline.stage import FileCommand

COMMAND = FileCommand(
    name="simulate",
    summary="Try strategies on synthetic bodies before people's time is spent.",
    Settings=SimulationSettings,
)
