"""Synthetic bodies as the cases of a workspace, and the truth that only the annotator sees."""

from functools import lru_cache
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

from pipeline.anatomy import ClassMap
from pipeline.phantom import Body, DatasetSettings, body_settings, make_body
from pipeline.simulation.settings import SimulationSettings
from pipeline.volume import write_file_atomically
from pipeline.workspace import Case, Workspace, digest_of_ct, write_case

_KEPT = 64
FIRST_NEW = 100_000
"""Number of the first body that no round ever labels."""


class Bodies:
    """The bodies of one simulation; each is made when it is needed, and kept while many are not.

    Parameters
    ----------
    settings : SimulationSettings
    class_map : ClassMap
        The structures that are labelled, values 1..n.
    """

    def __init__(self, settings: SimulationSettings, class_map: ClassMap) -> None:
        self.settings = settings
        self.class_map = class_map
        self.body = lru_cache(maxsize=_KEPT)(self._make)

    def _make(self, number: int) -> Body:
        """Make one body; the same settings and number give the same bytes."""
        wish = DatasetSettings(
            seed=self.settings.seed,
            spacing_mm=self.settings.spacing_mm,
            field_of_view=self.settings.field_of_view,
        )
        return make_body(body_settings(number, wish), self.class_map)

    def truth(self, number: int) -> dict[str, NDArray[np.bool_]]:
        """Give the true mask of every structure; empty where the body does not show it."""
        labels = self.body(number).labels
        return {each.name: labels == each.value for each in self.class_map}

    def case(self, number: int) -> Case:
        """Describe a body as a case of a workspace."""
        body = self.body(number)
        return Case(
            id=case_id(number),
            grid=body.grid,
            ct_digest=digest_of_ct(body.ct, body.grid),
            phase=body.settings.phase,
            source={"layout": "phantom"},
            meta={"sex": body.settings.sex, "field_of_view": str(body.settings.field_of_view)},
        )


def case_id(number: int) -> str:
    """Name the case of a body."""
    return f"body{number:04d}"


def number_of(case: str) -> int:
    """Give the body that a case shows."""
    return int(case.removeprefix("body"))


def make_workspace(folder: Path, bodies: Bodies) -> Workspace:
    """Make the workspace with every body to choose from; one that was begun is completed."""
    class_map = folder.with_name("class_map.yaml")
    write_file_atomically(class_map, _class_map_yaml(bodies.class_map))
    workspace = Workspace.create(folder, class_map)
    known = {case.id for case in workspace.cases()}
    for number in range(bodies.settings.pool):
        if case_id(number) not in known:
            case = bodies.case(number)
            write_case(workspace.layout, case, bodies.body(number).ct)
            workspace.record_case(case)
    return workspace


def _class_map_yaml(class_map: ClassMap) -> bytes:
    """Write a class map as a file that `load_class_map` reads back."""
    entries = [
        {
            "name": each.name,
            "value": each.value,
            "part": each.part,
            "category": each.category,
            "side": each.side,
            "mirror": each.mirror,
            "colour": "#" + bytes(each.colour).hex(),
            "snomed": each.snomed,
            "neighbours": list(each.neighbours),
        }
        for each in class_map
    ]
    document = {"name": class_map.name, "structures": entries}
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True).encode()
