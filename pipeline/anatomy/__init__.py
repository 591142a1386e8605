"""The words of the body: structures, class maps, and moving labels from one map to another.

A *structure* is one thing to segment (``kidney_left``). A *class map* is an ordered list of
structures, each with the voxel value that stands for it. Everything else in Masksmith speaks
of structures by name; values appear only where a label map is read or written.
"""

from pipeline.anatomy.class_map import ClassMap, ClassMapError
from pipeline.anatomy.class_map_file import (
    class_map_path,
    find_class_map,
    load_class_map,
    shipped_configs,
)
from pipeline.anatomy.relabel import Relabelled, relabel
from pipeline.anatomy.structure import Side, Structure
from pipeline.anatomy.vertebrae import vertebra_number

__all__ = [
    "ClassMap",
    "ClassMapError",
    "Relabelled",
    "Side",
    "Structure",
    "class_map_path",
    "find_class_map",
    "load_class_map",
    "relabel",
    "shipped_configs",
    "vertebra_number",
]
