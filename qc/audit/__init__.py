"""The audit of people: known errors slipped in among the real cases, and who caught them.

A planted case is a copy of a real one with one error of `qc.planting`. It looks like any other
in the gallery; the ledger leaves it out of everything else (`pipeline.workspace.ledger`). What is
wrong in it stands in ``audit/planted/``, which no page shows.
"""

from qc.audit.removal import remove_plants
from qc.audit.report import AuditReport, audit_report
from qc.audit.slip_in import PlantRequest, PlantResult, slip_in
from qc.audit.truth import PlantTruth, read_truths

__all__ = [
    "AuditReport",
    "PlantRequest",
    "PlantResult",
    "PlantTruth",
    "audit_report",
    "read_truths",
    "remove_plants",
    "slip_in",
]
