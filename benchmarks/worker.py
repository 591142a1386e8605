"""The child's side of a benchmark: does the work once for each line it is sent.

Standard library only, because the peers run it in an environment of their own.
"""

import contextlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

MARK = "@bench "


def serve(work: Callable[[], Any], facts: Callable[[Any], dict[str, Any]]) -> None:
    """Answer every line on stdin with the seconds that `work` took and facts about its result.

    Parameters
    ----------
    work
        What is measured; everything that is prepared only once is done before.
    facts
        Called with the result, outside the measured time; for digests, so that both sides can be
        seen to have done the same.
    """
    answers = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):
        for _ in sys.stdin:
            Path("/proc/self/clear_refs").write_text("5")  # begins the peak anew
            start = time.perf_counter()
            result = work()
            seconds = time.perf_counter() - start
            answer = {"seconds": seconds, "peak_mib": peak_mib(), "facts": facts(result)}
            answers.write(MARK + json.dumps(answer) + "\n")
            answers.flush()


def peak_mib() -> float:
    """Return the peak of this process's resident memory; `ru_maxrss` would count its parent's."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return float("nan")
