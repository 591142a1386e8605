"""Names of labels that are kept in a NIfTI header extension, as TotalSegmentator and Nora do.

The extension holds XML with a ``LabelTable`` of ``<Label Key="5">liver</Label>``
(TotalSegmentator, nifti_ext_header.py; the form is that of Caret and the Connectome Workbench).
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from isal import igzip

from annotation.formats.refusal import plain_name
from pipeline.volume.nifti import read_nifti_header

_MARK = b"<CaretExtension"


def open_nifti(path: Path) -> IO[bytes]:
    """Open a file for reading, through gzip if it is compressed."""
    with path.open("rb") as file:
        magic = file.read(2)
    if magic == b"\x1f\x8b":
        return cast("IO[bytes]", igzip.open(path, "rb"))
    return path.open("rb")


def header_names(path: Path) -> dict[int, str]:
    """Read value to name from a header's XML; empty if there is none or it is damaged.

    Raises
    ------
    NiftiError
        If the file is no NIfTI.
    """
    offset = read_nifti_header(path).offset
    with open_nifti(path) as stream:
        block = stream.read(offset)
    size = int.from_bytes(block[:4], "little")
    order, length = ("<", size) if size in (348, 540) else (">", int.from_bytes(block[:4], "big"))
    names: dict[int, str] = {}
    for content in _extensions(block[length:], order):
        if _MARK in content:
            names.update(_labels(content.rstrip(b"\0 \r\n")))
    return names


def _extensions(block: bytes, order: str) -> Iterator[bytes]:
    position = 4
    while position + 8 <= len(block) and block[0]:
        size = int(struct.unpack_from(order + "i", block, position)[0])
        if size < 16 or position + size > len(block):
            return
        yield block[position + 8 : position + size]
        position += size


def _labels(xml: bytes) -> dict[int, str]:
    from xml.etree.ElementTree import ParseError

    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    try:
        root = fromstring(xml.strip())
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        return {}
    found = {}
    for label in root.iter("Label"):
        key, name = str(label.get("Key", "")).strip(), plain_name(label.text)
        if key.isdigit() and len(key) < 10 and int(key) > 0 and name:
            found[int(key)] = name
    return found
