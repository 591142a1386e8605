"""What ITK-SNAP opens: a workspace (``.itksnap``) and a label description file.

The workspace is ITK-SNAP's XML registry: folders and entries with keys (ITK-SNAP source,
Common/Registry and IRISApplication::SaveProjectToRegistry). Layer 0 is the CT, with the labels
and the contrast curve; layer 1 the segmentation.
"""

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from annotation.formats.writers import Segment
from pipeline.anatomy.windows import Window
from pipeline.volume import write_file_atomically

CT_FILE = "ct.nii.gz"
MASKS_FILE = "masks.nii.gz"
LABELS_FILE = "labels.txt"
_REGISTRY_VERSION = "20190612"
_DOCTYPE = """<?xml version="1.0" encoding="UTF-8" ?>
<!--ITK-SNAP (itksnap.org) Project File-->
<!DOCTYPE registry [
<!ELEMENT registry (entry*,folder*)>
<!ELEMENT folder (entry*,folder*)>
<!ELEMENT entry EMPTY>
<!ATTLIST folder key CDATA #REQUIRED>
<!ATTLIST entry key CDATA #REQUIRED>
<!ATTLIST entry value CDATA #REQUIRED>
]>
"""
_LABELS_HEAD = """\
################################################
# ITK-SnAP Label Description File
# File format:
# IDX   -R-  -G-  -B-  -A--  VIS MSH  LABEL
# Fields:
#    IDX:   Zero-based index
#    -R-:   Red color component (0..255)
#    -G-:   Green color component (0..255)
#    -B-:   Blue color component (0..255)
#    -A-:   Label transparency (0.00 .. 1.00)
#    VIS:   Label visibility (0 or 1)
#    IDX:   Label mesh visibility (0 or 1)
#  LABEL:   Label description
################################################
    0     0    0    0        0  0  0    "Clear Label"
"""


def write_label_description(path: Path, segments: Sequence[Segment]) -> None:
    """Write names and colours of the labels as ITK-SNAP reads them."""
    lines = []
    for segment in segments:
        red, green, blue = segment.structure.colour
        value = segment.structure.value
        lines.append(
            f'{value:>5} {red:>5} {green:>4} {blue:>4}        1  1  1    "{segment.name}"\n'
        )
    write_file_atomically(path, (_LABELS_HEAD + "".join(lines)).encode())


def write_workspace(
    path: Path,
    folder: Path,
    segments: Sequence[Segment],
    window: Window,
    range_hu: tuple[float, float],
) -> None:
    """Write a workspace that opens the CT and the label map of a session.

    Parameters
    ----------
    path : Path
    folder : Path
        Where the workspace and the files beside it will stand.
    segments : sequence of Segment
        The first one is the label to draw with.
    window : Window
    range_hu : tuple of float
        Smallest and largest value of the CT: the curve counts in shares of this range.
    """
    registry = ElementTree.Element("registry")
    home = folder.absolute()
    _entry(registry, "SaveLocation", str(home))
    _entry(registry, "Version", _REGISTRY_VERSION)
    layers = _folder(registry, "Layers")
    ct = _folder(layers, "Layer[000]")
    _entry(ct, "AbsolutePath", str(home / CT_FILE))
    _entry(ct, "Role", "MainRole")
    _entry(ct, "Tags", "")
    _contrast(_folder(_folder(ct, "LayerMetaData"), "DisplayMapping"), window, range_hu)
    iris = _folder(_folder(ct, "ProjectMetaData"), "IRIS")
    _labels(iris, segments)
    masks = _folder(layers, "Layer[001]")
    _entry(masks, "AbsolutePath", str(home / MASKS_FILE))
    _entry(masks, "Role", "SegmentationRole")
    _entry(masks, "Tags", "")
    ElementTree.indent(registry)
    text = _DOCTYPE + ElementTree.tostring(registry, encoding="unicode") + "\n"
    write_file_atomically(path, text.encode())


def _contrast(mapping: ElementTree.Element, window: Window, range_hu: tuple[float, float]) -> None:
    _entry(_folder(mapping, "ColorMap"), "Preset", "Grayscale")
    curve = _folder(mapping, "Curve")
    _entry(curve, "NumberOfControlPoints", "3")
    smallest, largest = range_hu
    black, white = window.range_hu
    for index, share in enumerate((0.0, 0.5, 1.0)):
        hu = black + share * (white - black)
        place = (hu - smallest) / max(largest - smallest, 1.0)
        point = _folder(curve, f"ControlPoint[{index}]")
        _entry(point, "tValue", f"{min(max(place, 0.0), 1.0):.6f}")
        _entry(point, "xValue", f"{share:g}")


def _labels(iris: ElementTree.Element, segments: Sequence[Segment]) -> None:
    state = _folder(iris, "LabelState")
    _entry(state, "CoverageMode", "OverAll")
    _entry(state, "DrawingLabel", str(segments[0].structure.value))
    _entry(state, "OverwriteLabel", "0")
    _entry(state, "SegmentationAlpha", "0.5")
    table = _folder(iris, "LabelTable")
    _entry(table, "NumberOfElements", str(len(segments)))
    for index, segment in enumerate(segments):
        element = _folder(table, f"Element[{index}]")
        _entry(element, "Alpha", "255")
        _entry(element, "Color", " ".join(map(str, segment.structure.colour)))
        _entry(element, "Flags", "1 1")
        _entry(element, "Index", str(segment.structure.value))
        _entry(element, "Label", segment.name)


def _folder(parent: ElementTree.Element, key: str) -> ElementTree.Element:
    return ElementTree.SubElement(parent, "folder", key=key)


def _entry(parent: ElementTree.Element, key: str, value: str) -> None:
    ElementTree.SubElement(parent, "entry", key=key, value=value)
