"""Everything the routes share: the workspace, and what the server keeps beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock

from annotation.server.case_cards import CaseCards
from annotation.server.commits import CommitDesk
from annotation.server.drafts import Drafts
from annotation.server.leases import Assignments, Leases
from annotation.server.people import People, Person
from annotation.server.progress import Progress
from annotation.server.refusals import Refusal, not_allowed
from annotation.server.server_store import ServerStore
from annotation.server.sessions import OneTimeLink, Sessions, Throttle
from annotation.server.settings import ServeSettings
from annotation.server.structure_windows import StructureWindows, read_structure_windows
from annotation.server.volumes import Volumes
from pipeline.anatomy import Structure
from pipeline.errors import NothingToDo, UsageError
from pipeline.workspace import Case, Workspace

DrawCloseup = Callable[[Workspace, str, str], None]
"""Draws the close-up of a structure of a case into the gallery, unless it is there and fresh."""


@dataclass
class Workbench:
    """A served workspace.

    Attributes
    ----------
    link : OneTimeLink or None
        There only on loopback and while nobody has an account.
    draw_closeup : callable or None
    """

    workspace: Workspace
    settings: ServeSettings
    store: ServerStore
    people: People
    sessions: Sessions
    throttle: Throttle
    link: OneTimeLink | None
    leases: Leases
    assignments: Assignments
    drafts: Drafts
    volumes: Volumes
    desk: CommitDesk
    cards: CaseCards
    progress: Progress
    windows: StructureWindows
    draw_closeup: DrawCloseup | None = None
    verdict_lock: Lock = field(default_factory=Lock)

    def case(self, case_id: str) -> Case:
        """Give a case by its id.

        Raises
        ------
        Refusal
            404.
        """
        try:
            return self.workspace.case(case_id)
        except NothingToDo:
            raise Refusal(404, "no such case", "go back to the worklist") from None

    def structure(self, name: str) -> Structure:
        """Give a structure by its name.

        Raises
        ------
        Refusal
            404.
        """
        if name not in self.workspace.class_map:
            raise Refusal(404, "no such structure", "go back to the worklist")
        return self.workspace.class_map[name]

    def require_mask(self, mask_id: str, case_id: str, structure: str) -> None:
        """Refuse a base that is no revision of the mask.

        Raises
        ------
        Refusal
            404.
        """
        if not self.workspace.ledger.has_mask(mask_id, case_id, structure):
            raise Refusal(404, f"no such revision of {structure}", "load the case anew")

    def may_edit(self, person: Person, case_id: str) -> bool:
        """Tell whether a person may draw and decide in a case: one's own, or anybody's."""
        owner = self.assignments.of(case_id)
        return owner in (None, person.name) or person.is_at_least("reviewer")

    def require_edit(self, person: Person, case_id: str) -> None:
        """Refuse whoever may only look.

        Raises
        ------
        Refusal
            403.
        """
        if not self.may_edit(person, case_id):
            raise not_allowed("change this case: it is assigned to somebody else")


def open_workbench(
    workspace: Workspace, settings: ServeSettings, operator: str = "operator"
) -> Workbench:
    """Put a workbench together.

    Parameters
    ----------
    operator : str
        Whom the one-time link signs in.

    Raises
    ------
    UsageError
        When others could reach the server and nobody has an account.
    """
    store = ServerStore(workspace.layout.server_dir)
    people = People(store)
    has_accounts = bool(people.accounts())
    if not settings.is_loopback and not has_accounts:
        raise UsageError(
            f"others can reach {settings.host}, and nobody has an account; add people with "
            "'masksmith users add NAME', or serve on 127.0.0.1"
        )
    cards = CaseCards(workspace)
    volumes = Volumes(workspace, settings.memory_mb << 20)
    drafts = Drafts(workspace.layout, lambda name: workspace.pseudonym("annotator", name)[:32])
    by_link = settings.is_loopback and not has_accounts and not settings.proxy_header
    return Workbench(
        workspace=workspace,
        settings=settings,
        store=store,
        people=people,
        sessions=Sessions(store, settings.session_hours),
        throttle=Throttle(settings.login_tries_per_minute),
        link=OneTimeLink(Person(operator, "admin")) if by_link else None,
        leases=Leases(store, settings.lease_minutes),
        assignments=Assignments(store),
        drafts=drafts,
        volumes=volumes,
        desk=CommitDesk(workspace, volumes, drafts),
        cards=cards,
        progress=Progress(workspace, cards),
        windows=read_structure_windows(settings.configs),
    )
