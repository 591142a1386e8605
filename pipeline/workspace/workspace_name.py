"""Which workspace this is: an id that tells two folders of the same name apart."""

from pipeline.workspace.layout import Layout
from pipeline.workspace.pseudonym import pseudonym

_LENGTH = 16


def workspace_id(layout: Layout) -> str:
    """Give an id made with the workspace's own key: it stays when the folder moves."""
    return pseudonym(layout, "workspace", "id")[:_LENGTH]
