"""Whether this machine can draw: asked in a process of its own, since a bad driver can crash it.

``python -m qc.rendering_probe`` ends with 0 if a picture can be drawn and with 1 if not, saying on
stderr what to install.
"""

import os
import subprocess
import sys
from functools import cache

from pipeline.errors import MissingDependency

INSTALL_COMMAND = "sudo apt-get install -y libvulkan1 mesa-vulkan-drivers"

_TIMEOUT_S = 120
# The first line is the plain way; the second does without a feature that EGL drivers lack.
_PLAIN, _WITHOUT_FLOAT_FILTER = "plain", "without-float-filter"
WAYS = (_PLAIN, _WITHOUT_FLOAT_FILTER)

_TRY = """
import sys
from qc.rendering_probe import prepare_driver
prepare_driver(sys.argv[1])
import wgpu
device = wgpu.gpu.request_adapter_sync(power_preference="high-performance")
if device is None:
    raise SystemExit("no graphics adapter")
from qc.scene import Tile, TileRenderer
picture = TileRenderer(Tile(32, 32)).blank()
raise SystemExit(0 if picture.shape == (64, 32, 3) else "the picture has the wrong size")
"""


@cache
def require_rendering() -> str:
    """Find out how pictures can be drawn here, once per process.

    Returns
    -------
    str
        What :func:`prepare_driver` takes.

    Raises
    ------
    MissingDependency
        If no way works, with the command that installs a driver.
    """
    reasons = []
    for way in WAYS:
        reason = _why_not(way)
        if reason is None:
            return way
        reasons.append(reason)
    raise MissingDependency(
        f"no graphics driver to draw pictures with ({reasons[0]}); install one: {INSTALL_COMMAND}"
    )


def prepare_driver(way: str) -> None:
    """Set the driver up before the first renderer of this process.

    Parameters
    ----------
    way : str
        What :func:`require_rendering` gave.
    """
    if way == _WITHOUT_FLOAT_FILTER:
        from pygfx.renderers.wgpu import enable_wgpu_features

        enable_wgpu_features("!float32-filterable")


def _why_not(way: str) -> str | None:
    """Try one way in another process; return the reason if it fails."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", _TRY, way],
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )
    except subprocess.TimeoutExpired:
        return f"drawing took longer than {_TIMEOUT_S} s"
    if done.returncode == 0:
        return None
    if done.returncode < 0:
        return f"the driver crashed with signal {-done.returncode}"
    lines = done.stderr.strip().splitlines()
    return lines[-1] if lines else f"exit code {done.returncode}"


def main() -> int:
    """Return 0 if pictures can be drawn, else 1."""
    try:
        way = require_rendering()
    except MissingDependency as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stderr.write(f"Pictures can be drawn ({way}).\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
