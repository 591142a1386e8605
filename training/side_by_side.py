"""Several models at once, one on each GPU; on one device one after the other, without threads.

A story is what happens to one model: a generator that is told its device and yields what the
driver should know. The driver alone writes the ledger, so everything comes back to it.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from pipeline.errors import MissingDependency
from training.nnunet_process import device_kind, kill_started_by

Item = TypeVar("Item")
Story = Callable[[str], Iterator[Item]]
_IN_FLIGHT = 2  # label maps of whole bodies are large: no thread runs ahead of the driver


def run_side_by_side(stories: Sequence[Story[Item]], places: Sequence[str]) -> Iterator[Item]:
    """Run every story, each on the next free place, and yield what they tell as it comes.

    Parameters
    ----------
    stories : sequence of callable
        Called with a place, in order.
    places : sequence of str
        Devices; with one, or one story, everything runs in this thread.

    Raises
    ------
    Exception
        The first error of a story; the other stories are stopped and their processes killed.
    """
    if len(places) == 1 or len(stories) <= 1:
        for story in stories:
            yield from story(places[0])
        return
    crew = _Crew(stories, places[: len(stories)])
    try:
        yield from crew.told()
    finally:
        crew.stop()


@dataclass(frozen=True, slots=True)
class _Ended:
    """A place has no more to do, or broke off."""

    error: BaseException | None = None


@dataclass(slots=True)
class _Crew(Generic[Item]):
    """One thread per place."""

    stories: Sequence[Story[Item]]
    places: Sequence[str]
    waiting: "queue.SimpleQueue[Story[Item]]" = field(default_factory=queue.SimpleQueue)
    heard: "queue.Queue[Item | _Ended]" = field(default_factory=lambda: queue.Queue(_IN_FLIGHT))
    over: threading.Event = field(default_factory=threading.Event)
    threads: list[threading.Thread] = field(default_factory=list)

    def told(self) -> Iterator[Item]:
        """Start the threads and yield what they tell until all have ended."""
        for story in self.stories:
            self.waiting.put(story)
        for place in self.places:
            thread = threading.Thread(target=self._work, args=(place,), name=place, daemon=True)
            self.threads.append(thread)
            thread.start()
        left = len(self.threads)
        while left:
            item = self.heard.get()
            if not isinstance(item, _Ended):
                yield item
            elif item.error is not None:
                raise item.error
            else:
                left -= 1

    def stop(self) -> None:
        """End every thread, killing what it started."""
        self.over.set()
        while any(thread.is_alive() for thread in self.threads):
            kill_started_by([thread.ident for thread in self.threads if thread.is_alive()])
            time.sleep(0.02)

    def _work(self, place: str) -> None:
        try:
            while not self.over.is_set():
                try:
                    story = self.waiting.get_nowait()
                except queue.Empty:
                    break
                for item in story(place):
                    self._tell(item)
                    if self.over.is_set():
                        return
            self._tell(_Ended())
        except BaseException as error:  # noqa: BLE001 - raised again in the driver
            self._tell(_Ended(error))

    def _tell(self, item: "Item | _Ended") -> None:
        while not self.over.is_set():
            try:
                self.heard.put(item, timeout=0.2)
            except queue.Full:
                continue
            return


def require_devices(places: Sequence[str]) -> None:
    """Refuse a device that this machine does not have, before anything is exported.

    Raises
    ------
    MissingDependency
        Naming the device and what there is.
    UsageError
        If a place is no device.
    """
    wanted = {place: device_kind(place) for place in places}
    if all(kind == "cpu" for kind, _ in wanted.values()):
        return
    count = visible_gpus()
    for place, (kind, number) in wanted.items():
        if kind == "gpu" and count == 0:
            raise MissingDependency(
                f"device {place}: torch sees no GPU on this machine; check the driver "
                "(nvidia-smi), or train a small profile on the processor: "
                "--profile tiny (or small) --device cpu"
            )
        if number is not None and number >= count:
            there = ", ".join(f"gpu:{each}" for each in range(count))
            raise MissingDependency(f"device {place}: this machine has {there}")


def visible_gpus() -> int:
    """Count the GPUs torch can use."""
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0
