"""How pictures look: colours and lettering (docs: the dark look of all pages of Masksmith)."""

from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import ImageFont

Colour = tuple[int, int, int]

BACKGROUND: Colour = (11, 13, 15)
PANEL: Colour = (20, 24, 28)
LINE: Colour = (37, 43, 49)
TEXT: Colour = (201, 209, 216)
DIM: Colour = (125, 136, 145)
MISSING: Colour = (99, 108, 117)
ACCENT: Colour = (76, 194, 214)
OK: Colour = (95, 191, 122)
WARN: Colour = (224, 168, 60)

# Far apart for red-green-blind eyes too: one stays yellow to them, the other turns blue.
FLAG_HIGH: Colour = (255, 74, 178)
FLAG_MEDIUM: Colour = (255, 200, 40)
FRAME: Colour = (86, 101, 115)
CUT: Colour = (236, 242, 247)


@cache
def font(size_px: int) -> "ImageFont.FreeTypeFont | ImageFont.ImageFont":
    """Give the lettering of a size; the same on every machine, since it comes with pygfx."""
    from PIL import ImageFont

    try:
        path = resources.files("pygfx") / "data_files" / "NotoSans-Regular.ttf"
        with resources.as_file(path) as file:
            return ImageFont.truetype(str(file), size_px)
    except (ModuleNotFoundError, OSError):
        return ImageFont.load_default(size_px)
