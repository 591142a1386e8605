"""Surfaces to pictures: one fury scene, drawn off screen from the front and from the back.

The two views of a tile share one geometry: the same mesh stands twice in the scene, the second
time turned by half a circle. A renderer is made once per process and draws tile after tile.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qc.look import BACKGROUND, Colour
from qc.surfaces import Surface

_DEPTH_PX = 20_000.0

# Chosen so that a surface that faces the viewer has the colour of its patch in the legend.
_AMBIENT = 0.6
_FROM_CAMERA = 2.0

# Rows are screen right, screen up, towards the viewer, in (right, front, head) of the patient.
_FRONT = np.array([[-1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
_BACK = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])


@dataclass(frozen=True, slots=True)
class Tile:
    """The size of one view, in pixels of the picture.

    Attributes
    ----------
    width_px, height_px : int
    supersampling : int
        Each pixel is the mean of this number squared.
    """

    width_px: int
    height_px: int
    supersampling: int = 2


@dataclass(frozen=True, slots=True)
class Framing:
    """What part of the body a view shows.

    Attributes
    ----------
    centre_mm : tuple of float
        What lies in the middle, in the frame of the surfaces.
    px_per_mm : float
    """

    centre_mm: tuple[float, float, float]
    px_per_mm: float


@dataclass(frozen=True, slots=True)
class Views:
    """One panel seen from both sides: arrays of uint8, shape (height, width, 3)."""

    front: NDArray[np.uint8]
    back: NDArray[np.uint8]


class TileRenderer:
    """Draws tiles of one size; keep it for many subjects.

    Parameters
    ----------
    tile : Tile
    """

    def __init__(self, tile: Tile) -> None:
        from fury.lib import AmbientLight, DirectionalLight, OrthographicCamera
        from fury.window import Scene, ShowManager

        self.tile = tile
        self._size = (tile.width_px, 2 * tile.height_px)
        background = tuple(channel / 255 for channel in BACKGROUND)
        self._scene = Scene(background=(*background, 1.0), lights=[AmbientLight("#fff", _AMBIENT)])
        camera = OrthographicCamera(*self._size, maintain_aspect=False)
        light = DirectionalLight("#fff", _FROM_CAMERA)
        light.local.position = (-0.35, 0.45, 1.0)
        camera.add(light)
        self._scene.main_scene.add(camera)
        with _drivers_kept_quiet():
            self._show = ShowManager(
                scene=self._scene,
                camera=camera,
                size=self._size,
                window_type="offscreen",
                pixel_ratio=tile.supersampling,
                enable_events=False,
            )
        # The picture is reduced here; what the renderer would do for a window only costs time.
        self._show.renderer.ppaa = "none"
        self._show.renderer.pixel_filter = "nearest"
        self._snapshot()
        self._place(camera)

    def draw(self, bodies: Sequence[tuple[Surface, Colour]], framing: Framing) -> Views:
        """Draw surfaces from the front and from the back.

        Parameters
        ----------
        bodies : sequence of (Surface, colour)
        framing : Framing

        Returns
        -------
        Views
            Two pictures of the tile's size.
        """
        whole = [(surface, colour) for surface, colour in bodies if len(surface.triangles)]
        if not whole:
            return self._views(self.blank())
        geometry = _geometry(whole)
        meshes = self._meshes(geometry, framing)
        self._scene.add(*meshes)
        try:
            picture = self._snapshot()
        finally:
            self._scene.remove(*meshes)
            _free(geometry)
        return self._views(picture)

    def blank(self) -> NDArray[np.uint8]:
        """Draw nothing: the background, shape (2 * height, width, 3)."""
        return self._snapshot()

    def _views(self, picture: NDArray[np.uint8]) -> Views:
        height = self.tile.height_px
        return Views(picture[:height], picture[height:])

    def _meshes(self, geometry: Any, framing: Framing) -> list[Any]:
        from fury.actor import create_mesh
        from fury.lib import MeshPhongMaterial

        material = MeshPhongMaterial(
            color_mode="vertex", side="front", shininess=12, specular="#1c1c1c", pick_write=False
        )
        meshes = []
        for direction, up_px in ((_FRONT, 0.5), (_BACK, -0.5)):
            mesh = create_mesh(geometry, material)
            matrix = np.eye(4)
            matrix[:3, :3] = direction * framing.px_per_mm
            matrix[:3, 3] = -matrix[:3, :3] @ np.array(framing.centre_mm)
            matrix[1, 3] += up_px * self.tile.height_px
            mesh.local.matrix = matrix
            meshes.append(mesh)
        return meshes

    def _place(self, camera: Any) -> None:
        # Only after a first draw: fury sets the camera on it.
        camera.width, camera.height = self._size
        camera.zoom = 1.0
        camera.local.position = (0.0, 0.0, _DEPTH_PX / 2)
        camera.depth_range = (1.0, _DEPTH_PX)
        camera.look_at((0.0, 0.0, 0.0))

    def _snapshot(self) -> NDArray[np.uint8]:
        from fury.window import render_screens
        from PIL import Image

        # Drawn directly: the window's own loop would only log an error and go on.
        render_screens(self._show.renderer, self._show.screens)
        drawn = np.asarray(self._show.snapshot())[..., :3]
        if self.tile.supersampling == 1:
            return np.ascontiguousarray(drawn)
        return np.asarray(Image.fromarray(drawn).reduce(self.tile.supersampling))


@contextmanager
def _drivers_kept_quiet() -> Iterator[None]:
    """Drop what graphics drivers write to stderr while they look for a screen that is not there."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _geometry(bodies: Sequence[tuple[Surface, Colour]]) -> Any:
    """Join surfaces into one geometry with a colour per point."""
    from fury.geometry import buffer_to_geometry

    counts = [len(surface.points_mm) for surface, _ in bodies]
    starts = np.cumsum([0, *counts[:-1]]).astype(np.uint32)
    colours = _linear(np.array([colour for _, colour in bodies], np.float32) / np.float32(255))
    return buffer_to_geometry(
        np.concatenate([surface.points_mm for surface, _ in bodies]),
        normals=np.concatenate([surface.normals for surface, _ in bodies]),
        indices=np.concatenate(
            [surface.triangles + start for (surface, _), start in zip(bodies, starts, strict=True)]
        ),
        colors=np.repeat(colours, counts, axis=0),
    )


def _linear(colours: NDArray[np.float32]) -> NDArray[np.float32]:
    """Turn sRGB (0..1) into the linear light in which the renderer reckons (IEC 61966-2-1)."""
    dark = colours / 12.92
    return np.where(colours <= 0.04045, dark, ((colours + 0.055) / 1.055) ** 2.4).astype(np.float32)


def _free(geometry: Any) -> None:
    """Give the graphics memory back now: left to the garbage collector it grows with each case."""
    for buffer in (geometry.positions, geometry.normals, geometry.indices, geometry.colors):
        held = getattr(buffer, "_wgpu_object", None)
        if held is not None:
            held.destroy()
