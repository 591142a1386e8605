"""Loads the fixtures, one file per noun under `tests/fixtures/`."""

from hypothesis import settings

pytest_plugins = [
    "tests.fixtures.audited_workspaces",
    "tests.fixtures.browser",
    "tests.fixtures.front_end",
    "tests.fixtures.gallery_sites",
    "tests.fixtures.graphics",
    "tests.fixtures.label_pairs",
    "tests.fixtures.phantoms",
    "tests.fixtures.planted_errors",
    "tests.fixtures.planted_faults",
    "tests.fixtures.pretended_models",
    "tests.fixtures.real_data",
    "tests.fixtures.round_workspaces",
    "tests.fixtures.stand_in_nnunet",
    "tests.fixtures.tiny_models",
    "tests.fixtures.workspaces",  # imported by the next
    "tests.fixtures.workbench",
]

# A busy machine is slow, and a failure must come back: no time limit, the same examples each time.
settings.register_profile("house", deadline=None, derandomize=True)
settings.load_profile("house")
