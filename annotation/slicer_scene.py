"""A scene of 3D Slicer (``.mrml``): CT in its window, masks to edit, masks to look at.

Paths are relative to the scene. Elements, attributes and references as Slicer 5 writes and reads
them (Libs/MRML/Core: vtkMRMLScalarVolumeDisplayNode, vtkMRMLSegmentationNode,
vtkMRMLSegmentationDisplayNode, vtkMRMLSliceCompositeNode).
"""

from pathlib import Path
from xml.etree import ElementTree

from pipeline.anatomy.windows import Window
from pipeline.volume import write_file_atomically

CT_FILE = "ct.nii.gz"
MASKS_FILE = "masks.seg.nrrd"
REFERENCE_FILE = "reference.seg.nrrd"
_VOLUME = "vtkMRMLScalarVolumeNode1"
_GREY = "vtkMRMLColorTableNodeGrey"
_VIEWS = ("Red", "Green", "Yellow")


def write_scene(path: Path, window: Window, has_reference: bool) -> None:
    """Write a scene that opens the files of a session.

    Parameters
    ----------
    path : Path
        Of the scene; the files lie beside it.
    window : Window
    has_reference : bool
        Whether there are masks to look at only.
    """
    scene = ElementTree.Element("MRML", version="Slicer5", userTags="")
    _add(
        scene,
        "Selection",
        "vtkMRMLSelectionNodeSingleton",
        "Selection",
        singletonTag="Singleton",
        references=f"ActiveVolume:{_VOLUME};",
        activeVolumeID=_VOLUME,
    )
    for view in _VIEWS:
        _add(
            scene,
            "SliceComposite",
            f"vtkMRMLSliceCompositeNode{view}",
            "SliceComposite",
            singletonTag=view,
            layoutName=view,
            backgroundVolumeID=_VOLUME,
            references=f"backgroundVolume:{_VOLUME};",
            linkedControl="1",
        )
    _add_ct(scene, window)
    _add_segmentation(scene, 1, "masks", MASKS_FILE, fill="0.5")
    if has_reference:
        _add_segmentation(scene, 2, "reference (not collected)", REFERENCE_FILE, fill="0")
    ElementTree.indent(scene)
    write_file_atomically(path, ElementTree.tostring(scene, "utf-8", xml_declaration=True))


def _add_ct(scene: ElementTree.Element, window: Window) -> None:
    display, storage = "vtkMRMLScalarVolumeDisplayNode1", "vtkMRMLVolumeArchetypeStorageNode1"
    _add(
        scene,
        "VolumeDisplay",
        display,
        "VolumeDisplay",
        references=f"color:{_GREY};",
        window=f"{window.width_hu:g}",
        level=f"{window.level_hu:g}",
        autoWindowLevel="0",
        interpolate="1",
    )
    _add(
        scene,
        "VolumeArchetypeStorage",
        storage,
        "VolumeArchetypeStorage",
        fileName=CT_FILE,
        centerImage="0",
        UseOrientationFromFile="1",
        useCompression="1",
    )
    _add(
        scene,
        "Volume",
        _VOLUME,
        "CT",
        shown=True,
        references=f"display:{display};storage:{storage};",
    )


def _add_segmentation(
    scene: ElementTree.Element, number: int, name: str, file_name: str, fill: str
) -> None:
    display = f"vtkMRMLSegmentationDisplayNode{number}"
    storage = f"vtkMRMLSegmentationStorageNode{number}"
    _add(
        scene,
        "SegmentationDisplay",
        display,
        "SegmentationDisplay",
        visibility="true",
        visibility2D="true",
        Visibility2DFill="true",
        Visibility2DOutline="true",
        Opacity2DFill=fill,
        Opacity2DOutline="1",
        Opacity3D="1",
        PreferredDisplayRepresentationName2D="Binary labelmap",
    )
    _add(
        scene,
        "SegmentationStorage",
        storage,
        "SegmentationStorage",
        fileName=file_name,
        useCompression="1",
        defaultWriteFileExtension="seg.nrrd",
    )
    _add(
        scene,
        "Segmentation",
        f"vtkMRMLSegmentationNode{number}",
        name,
        shown=True,
        references=f"display:{display};referenceImageGeometryRef:{_VOLUME};storage:{storage};",
        MasterRepresentationName="Binary labelmap",
    )


def _add(
    scene: ElementTree.Element, tag: str, node: str, name: str, shown: bool = False, **more: str
) -> None:
    ElementTree.SubElement(
        scene,
        tag,
        {
            "id": node,
            "name": name,
            "hideFromEditors": "false" if shown else "true",
            "selectable": "true",
            "selected": "false",
            **more,
        },
    )
