"""The paper's two figures come out of what it took apart."""

import pytest

from annotation.paper_effort import BY_HAND, ROUGH, spoken_time


def test_the_papers_figures_are_sums():
    assert (BY_HAND.seconds, spoken_time(BY_HAND.seconds)) == (645, "10 min 45 s")
    assert (ROUGH.seconds, spoken_time(ROUGH.seconds)) == (102, "1 min 42 s")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (61, "1 min 1 s"),
        (7199, "119 min 59 s"),
        (7200, "2.0 h"),
        (50_000, "13.9 h"),
    ],
)
def test_times_are_said_as_people_say_them(seconds, words):
    assert spoken_time(seconds) == words
