"""The workspace: cases, immutable masks, the ledger, and the rule which mask counts."""

from pipeline.workspace.case_file import CaseFileError, digest_of_ct, read_case, write_case
from pipeline.workspace.case_index import CaseIndex
from pipeline.workspace.confidence import Confidence
from pipeline.workspace.digest import (
    digest_of,
    digest_of_file,
    digest_of_manifest,
    now_utc,
    settings_digest,
)
from pipeline.workspace.finding_file import Finding, read_findings, write_findings
from pipeline.workspace.layout import Layout, check_id
from pipeline.workspace.ledger import Ledger
from pipeline.workspace.locks import WorkspaceBusy
from pipeline.workspace.mask_file import (
    MaskFileError,
    read_mask,
    verify_mask,
    write_label_map_masks,
    write_mask,
)
from pipeline.workspace.words import (
    Case,
    Decision,
    Mask,
    Origin,
    Presence,
    Provenance,
    Round,
    Verdict,
)
from pipeline.workspace.workspace import CaseRecord, Workspace, WorkspaceError

__all__ = [
    "Case",
    "CaseFileError",
    "CaseIndex",
    "CaseRecord",
    "Confidence",
    "Decision",
    "Finding",
    "Layout",
    "Ledger",
    "Mask",
    "MaskFileError",
    "Origin",
    "Presence",
    "Provenance",
    "Round",
    "Verdict",
    "Workspace",
    "WorkspaceBusy",
    "WorkspaceError",
    "check_id",
    "digest_of",
    "digest_of_ct",
    "digest_of_file",
    "digest_of_manifest",
    "now_utc",
    "read_case",
    "read_findings",
    "read_mask",
    "settings_digest",
    "verify_mask",
    "write_case",
    "write_findings",
    "write_label_map_masks",
    "write_mask",
]
