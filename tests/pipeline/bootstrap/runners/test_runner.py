from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

from pipeline.bootstrap.runners import RUNNERS
from pipeline.bootstrap.runners.runner import attempt, spread
from pipeline.bootstrap.tasks import CaseResult, CaseTask
from pipeline.engine import TaskResult
from pipeline.errors import BadInput

TASK = cast("CaseTask", SimpleNamespace(case=SimpleNamespace(id="s0001")))


@dataclass(frozen=True)
class Work:
    task: CaseTask


class DyingEngine:
    """An engine whose workers die."""

    jobs = 1

    def map(self, function: Any, items: Sequence[Any], **_: Any) -> Iterator[TaskResult[Any, Any]]:
        for item in items:
            yield TaskResult(item, error="its process died (exit code -9)")


def test_a_worker_that_dies_fails_its_case() -> None:
    (result,) = spread(DyingEngine(), lambda work: CaseResult("s0001", "done"), [Work(TASK)])
    assert result == CaseResult("s0001", "failed", "its process died (exit code -9)")


def test_an_error_for_a_person_fails_its_case() -> None:
    def action() -> CaseResult:
        raise BadInput("x.nii.gz: is empty")

    assert attempt(TASK, action) == CaseResult("s0001", "failed", "x.nii.gz: is empty")


def test_runners_are_found_by_their_names() -> None:
    assert list(RUNNERS) == ["labelmaps", "nnunet", "totalsegmentator", "lungmask", "command"]
    assert [name for name, runner in RUNNERS.items() if runner.needs_approval] == [
        "nnunet",
        "totalsegmentator",
        "lungmask",
        "command",
    ]
