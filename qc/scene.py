"""Surfaces to pictures: one fury scene, drawn off screen from two sides at once.

The two views of a tile share one geometry: the same mesh stands twice in the scene, the second
time turned. A renderer is made once per process and draws tile after tile.

Which surface a pixel shows comes from the same draw: its number travels in the alpha channel, which
nothing is blended with. So a pick map fits its picture to the pixel and costs no second pass.
"""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from qc.look import BACKGROUND, Colour
from qc.surfaces import Surface

MOST_BODIES = 254
"""A tile holds no more surfaces than its alpha channel has numbers, beside background."""

Side = Literal["front", "back", "right", "left"]

_DEPTH_PX = 20_000.0

# Chosen so that a surface that faces the viewer has the colour of its patch in the legend.
_AMBIENT = 0.6
_FROM_CAMERA = 2.0

# Rows are screen right, screen up, towards the viewer, in (right, front, head) of the patient.
FROM: Mapping[Side, NDArray[np.float64]] = {
    "front": np.array([[-1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0]]),
    "back": np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]]),
    "right": np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]),
    "left": np.array([[0.0, -1.0, 0.0], [0.0, 0.0, 1.0], [-1.0, 0.0, 0.0]]),
}


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
class View:
    """Surfaces seen from one side.

    Attributes
    ----------
    pixels : ndarray of uint8, shape (height, width, 3)
    numbers : ndarray of uint8, shape (height, width)
        Which surface a pixel shows: 1 for the first that was given, 0 for none. A pixel that shows
        several has the one that covers most of it; background counts only where nothing else is.
    """

    pixels: NDArray[np.uint8]
    numbers: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Views:
    """One panel seen from two sides, the front and the back unless others were asked for."""

    front: View
    back: View


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
        self._nowhere = _smallest_target()
        self._draw_as_a_window_would()
        self._place(camera)

    def draw(
        self,
        bodies: Sequence[tuple[Surface, Colour]],
        framing: Framing,
        sides: tuple[Side, Side] = ("front", "back"),
    ) -> Views:
        """Draw surfaces from two sides.

        Parameters
        ----------
        bodies : sequence of (Surface, colour)
            At most MOST_BODIES.
        framing : Framing
        sides : tuple of str
            From where.

        Returns
        -------
        Views
            Two pictures of the tile's size.

        Raises
        ------
        ValueError
            If there are too many.
        """
        if len(bodies) > MOST_BODIES:
            raise ValueError(f"{len(bodies)} surfaces, expected at most {MOST_BODIES}")
        if not any(len(surface.triangles) for surface, _ in bodies):
            return self._snapshot()
        geometry = _geometry(bodies)
        meshes = self._meshes(geometry, framing, sides)
        self._scene.add(*meshes)
        try:
            return self._snapshot()
        finally:
            self._scene.remove(*meshes)
            _free(geometry)

    def blank(self) -> NDArray[np.uint8]:
        """Draw nothing: the background, shape (2 * height, width, 3)."""
        views = self._snapshot()
        return np.concatenate([views.front.pixels, views.back.pixels])

    def _meshes(self, geometry: Any, framing: Framing, sides: tuple[Side, Side]) -> list[Any]:
        from fury.actor import create_mesh
        from fury.lib import MeshPhongMaterial

        material = MeshPhongMaterial(
            color_mode="vertex",
            side="front",
            shininess=12,
            specular="#1c1c1c",
            pick_write=False,
            depth_write=True,
            # The nearest surface replaces what was there, alpha included.
            alpha_config={
                "method": "blended",
                "color_src": "one",
                "color_dst": "zero",
                "alpha_src": "one",
                "alpha_dst": "zero",
            },
        )
        meshes = []
        for side, up_px in zip(sides, (0.5, -0.5), strict=True):
            mesh = create_mesh(geometry, material)
            matrix = np.eye(4)
            matrix[:3, :3] = FROM[side] * framing.px_per_mm
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

    def _draw_as_a_window_would(self) -> None:
        from fury.window import render_screens

        render_screens(self._show.renderer, self._show.screens)

    def _snapshot(self) -> Views:
        # Drawn directly: the window's own loop would only log an error and go on. Its last step,
        # the copy to the window, is slow and goes to a single pixel here.
        renderer, screen = self._show.renderer, self._show.screens[0]
        renderer.render(self._scene.main_scene, screen.camera, flush=False)
        renderer.flush(self._nowhere)
        drawn = np.asarray(renderer.snapshot())
        pixels = _reduced_colours(drawn, self.tile.supersampling)
        numbers = reduced_numbers(np.uint8(255) - drawn[..., 3], self.tile.supersampling)
        height = self.tile.height_px
        return Views(
            View(pixels[:height], numbers[:height]), View(pixels[height:], numbers[height:])
        )


def reduced_numbers(numbers: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    """Give one number for each block of pixels: the most frequent one that is not 0.

    Parameters
    ----------
    numbers : ndarray of uint8, shape (rows * factor, columns * factor)
    factor : int
    """
    if factor == 1:
        return numbers
    rows, columns = (size // factor for size in numbers.shape)
    places = [numbers[i::factor, j::factor] for i in range(factor) for j in range(factor)]
    least, most = places[0].copy(), places[0].copy()
    for place in places[1:]:
        np.minimum(least, place, out=least)
        np.maximum(most, place, out=most)
    mixed = np.flatnonzero(least != most)
    row, column = np.divmod(mixed, columns)
    inside = np.stack([place[row, column] for place in places], axis=1)
    votes = (inside[:, :, None] == inside[:, None, :]).sum(axis=2, dtype=np.uint8)
    votes[inside == 0] = 0
    most.reshape(-1)[mixed] = inside[np.arange(len(mixed)), votes.argmax(axis=1)]
    return most.reshape(rows, columns)


def _reduced_colours(drawn: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    """Give the mean colour of each block of pixels; the fourth channel is not opacity."""
    from PIL import Image

    size = (drawn.shape[1], drawn.shape[0])
    image = Image.frombuffer("RGBX", size, np.ascontiguousarray(drawn), "raw", "RGBX", 0, 1)
    return np.asarray(image.reduce(factor).convert("RGB"))


def _smallest_target() -> Any:
    """Make a texture of one pixel for what nobody looks at."""
    import wgpu
    from pygfx import Texture

    usage = wgpu.TextureUsage.RENDER_ATTACHMENT
    return Texture(dim=2, size=(1, 1, 1), format="rgba8unorm", usage=usage)


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
    """Join surfaces into one geometry; each point has a colour, and its surface's number as alpha.

    Numbers are counted down from 255, which is background.
    """
    from fury.geometry import buffer_to_geometry

    counts = [len(surface.points_mm) for surface, _ in bodies]
    starts = np.cumsum([0, *counts[:-1]]).astype(np.uint32)
    colours = _linear(np.array([colour for _, colour in bodies], np.float32) / np.float32(255))
    alpha = (254 - np.arange(len(bodies), dtype=np.float32)) / np.float32(255)
    return buffer_to_geometry(
        np.concatenate([surface.points_mm for surface, _ in bodies]),
        normals=np.concatenate([surface.normals for surface, _ in bodies]),
        indices=np.concatenate(
            [surface.triangles + start for (surface, _), start in zip(bodies, starts, strict=True)]
        ),
        colors=np.repeat(np.column_stack([colours, alpha]), counts, axis=0),
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
