"""Which foreign weights a person of this machine has approved.

nnU-Net's checkpoints are Python pickles: loading one runs whatever it says. So a model from
outside is loaded only after somebody approved the digest of its files with
`masksmith models trust NAME`. Approvals belong to the user, not to the workspace or the model: a
workspace or a card that comes from elsewhere must not be able to bring its own.
"""

import json
import os
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from pipeline.errors import BadInput, MissingDependency
from pipeline.volume import write_file_atomically

TRUST_FILE_VARIABLE = "MASKSMITH_TRUST_FILE"


class NotTrusted(MissingDependency):
    """Weights from outside whose digest nobody has approved (exit code 5)."""


@dataclass(frozen=True, slots=True)
class Approval:
    """One approved digest: which model it was approved for, and when (UTC, ISO 8601)."""

    digest: str
    model: str
    approved: str


def trust_file() -> Path:
    """Say where approvals are kept: MASKSMITH_TRUST_FILE, else the user's settings folder."""
    named = os.environ.get(TRUST_FILE_VARIABLE)
    if named:
        return Path(named).expanduser()
    settings = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(settings).expanduser() / "masksmith" / "trusted_models.json"


def approvals() -> dict[str, Approval]:
    """Read all approvals, by digest; none if there is no file.

    Raises
    ------
    BadInput
        If the file is not one that `approve` wrote.
    """
    path = trust_file()
    if not path.exists():
        return {}
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        found = [Approval(**entry) for entry in said["approved"]]
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(
            f"{path}: is not a list of approvals ({error}); move it away and approve again"
        ) from error
    return {approval.digest: approval for approval in found}


def is_trusted(digest: str) -> bool:
    """Say whether a digest was approved."""
    return digest in approvals()


def approve(digest: str, model: str) -> Approval:
    """Approve a digest for good; approving it again changes nothing.

    Returns
    -------
    Approval
        The new one, or the one that was there.
    """
    known = approvals()
    if digest in known:
        return known[digest]
    approval = Approval(digest, model, datetime.now(UTC).isoformat(timespec="seconds"))
    entries = [asdict(entry) for entry in [*known.values(), approval]]
    text = json.dumps({"approved": entries}, indent=2) + "\n"
    write_file_atomically(trust_file(), text.encode())
    return approval


def require_trust(digest: str, model: str) -> None:
    """Refuse weights that nobody has approved.

    Raises
    ------
    NotTrusted
        Saying how to approve them.
    """
    if not is_trusted(digest):
        raise NotTrusted(
            f"model '{model}': its checkpoint (sha256 {digest[:12]}...) can run code when it is "
            f"loaded and was not approved; if you trust its source, run: "
            f"masksmith models trust {model}"
        )
