from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.anatomy import ClassMap, load_class_map
from pipeline.bootstrap.bootstrap import STAGE
from pipeline.bootstrap.card_labels import NothingInCommon
from pipeline.bootstrap.ready import active_cards
from pipeline.bootstrap.settings import BootstrapSettings
from pipeline.stage import load_settings


@pytest.fixture
def spleen_only(configs: Path) -> ClassMap:
    return load_class_map(configs / "class_map.yaml").subset(["spleen"])


def settings_of(configs: Path, **changes: object) -> BootstrapSettings:
    settings = load_settings(STAGE, configs, changes)
    assert isinstance(settings, BootstrapSettings)
    return settings


def test_a_card_that_takes_part_where_found_is_left_out_of_a_class_map_without_its_structures(
    configs: Path, write_card: Callable[..., Path], spleen_only: ClassMap, tmp_path: Path
) -> None:
    write_card("all", weights={"path": str(tmp_path)})
    write_card("lungs", labels={1: "trachea"}, enabled="if_found", priority=3)
    active = active_cards(settings_of(configs), spleen_only)
    assert [file.name for file in active.cards] == ["all"]
    assert active.labels["all"].covered == ("spleen",)
    with pytest.raises(NothingInCommon, match="lungs"):
        active_cards(settings_of(configs, models=("all", "lungs")), spleen_only)


def test_a_card_that_takes_part_where_found_counts_as_switched_on(
    configs: Path, write_card: Callable[..., Path], spleen_only: ClassMap
) -> None:
    write_card("maybe", enabled="if_found", runner="nnunet")
    write_card("off", enabled=False, runner="nnunet")
    active = active_cards(settings_of(configs), spleen_only)
    assert [file.name for file in active.cards] == ["maybe"]
