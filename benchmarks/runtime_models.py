"""The paper's runtime table on this machine: `make bench-runtime`.

Models with random weights take the time and memory of trained ones. The 3 mm model has the size
that nnU-Net plans for a GPU; the five 1.5 mm models are thinner unless `--full` is given, as all
of it takes hours on a CPU.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks.page_tables import add_page, write_between_marks
from benchmarks.untrained_models import FULL, write_untrained_model
from pipeline.anatomy import load_class_map, shipped_configs
from pipeline.cli.main import main as masksmith
from training.profile import SmallNetwork

MARK = "bench-runtime"
TRAINER = "nnUNetTrainer"
THIN = FULL.model_copy(update={"features": (8, 16, 32, 64, 80, 80)})


def main() -> int:
    """Write the models, measure, put the table into the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="1.5 mm models of full size")
    parser.add_argument("--slices", default="280,458,824", help="sizes of the CTs")
    parser.add_argument("--only", choices=("1.5mm", "3mm"))
    parser.add_argument("--device", default="cpu")
    add_page(parser)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="masksmith-bench-") as scratch:
        whole, fast = _write_models(Path(scratch), FULL if arguments.full else THIN)
        out = Path(scratch) / "table"
        command = ["benchmark-runtime", "--out", str(out), "--slices", arguments.slices]
        command += ["--device", arguments.device, "--workspace", str(Path(scratch) / "none")]
        command += ["--models", str(whole), "--fast-models", str(fast)]
        command += ["--only", arguments.only] if arguments.only else []
        code = masksmith(command)
        table = (out / "runtime.md").read_text()
    if arguments.page:
        write_between_marks(arguments.page, MARK, table)
    return code


def _write_models(folder: Path, of_parts: SmallNetwork) -> tuple[Path, Path]:
    class_map = load_class_map(shipped_configs() / "class_map.yaml")
    for number, part in enumerate(class_map.parts, start=291):
        names = [each.name for each in class_map.structures if each.part == part]
        whole = folder / "whole" / f"Dataset{number}_part"
        write_untrained_model(whole, dict(enumerate(names, 1)), TRAINER, 1.5, of_parts)
    every = {each.value: each.name for each in class_map.structures}
    write_untrained_model(folder / "fast" / "Dataset297_all", every, TRAINER, 3.0, FULL)
    return folder / "whole", folder / "fast"


if __name__ == "__main__":
    sys.exit(main())
