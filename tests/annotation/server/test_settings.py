"""Settings and windows: what is shipped can be read, what cannot be is refused with a reason."""

import pytest

from annotation.server.serve import COMMAND
from annotation.server.settings import ServeSettings, is_loopback
from annotation.server.structure_windows import read_structure_windows
from pipeline.anatomy import shipped_configs
from pipeline.errors import BadInput, UsageError
from pipeline.stage import load_settings


def test_the_shipped_settings_are_the_defaults() -> None:
    shipped = load_settings(COMMAND, shipped_configs())
    assert shipped == ServeSettings(configs=shipped_configs())
    assert shipped.names == {"127.0.0.1", "localhost", "::1"}


def test_beyond_loopback_only_named_hosts_are_known() -> None:
    settings = ServeSettings(host="10.1.2.3", hosts=("Radiology.example",))
    assert settings.names == {"10.1.2.3", "radiology.example"}
    assert not settings.is_loopback


@pytest.mark.parametrize(
    ("address", "expected"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True),
     ("0.0.0.0", False), ("::", False), ("10.0.0.1", False), ("example.org", False)],
)  # fmt: skip
def test_loopback(address, expected) -> None:
    assert is_loopback(address) is expected


def test_a_proxy_without_an_address_is_refused(tmp_path) -> None:
    with pytest.raises(UsageError, match="proxy"):
        load_settings(COMMAND, tmp_path, {"proxy_addresses": ["the proxy"]})


def test_windows_without_a_file_are_those_of_workstations(tmp_path, phantom_class_map) -> None:
    windows = read_structure_windows(tmp_path)
    assert list(windows.windows) == ["soft", "lung", "bone", "brain"]
    assert windows.of(phantom_class_map["rib_left_1"]).name == "soft"


@pytest.mark.parametrize(
    "text",
    [
        "windows: {}",
        "windows: [soft]",
        "windows: {soft: {level_hu: 40}}",
        "windows: {soft: {level_hu: 40, width_hu: 0}}",
        "windows: {soft: {level_hu: 40, width_hu: 400}}\nrules: [{window: bone, names: [a]}]",
        "windows: {soft: {level_hu: 40, width_hu: 400}}\nrules: [bone]",
        "{",
    ],
)
def test_windows_that_cannot_be_are_refused(tmp_path, text) -> None:
    (tmp_path / "annotation.yaml").write_text(text)
    with pytest.raises(BadInput, match=r"annotation\.yaml"):
        read_structure_windows(tmp_path)
