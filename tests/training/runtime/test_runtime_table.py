import csv
import json

import pytest

from training.runtime.table import Measured, markdown, minutes, write_table

MEASURED = [
    Measured("1.5mm", (512, 512, 280), 77.2, 7.61, 6.1),
    Measured("3mm", (512, 512, 280), 34.0, 7.4, None),
    Measured("1.5mm", (512, 512, 824), note="was killed, perhaps for memory"),
    Measured("3mm", (512, 512, 824), 83.4, 10.6, 7.5),
]


@pytest.mark.parametrize(
    ("seconds", "text"), [(77.2, "1min 17s"), (34.0, "34s"), (212, "3min 32s"), (7.25, "7.25s")]
)
def test_times_read_as_in_the_paper(seconds, text):
    assert minutes(seconds) == text


def test_the_table_has_a_line_per_size_and_three_columns_per_model(tmp_path):
    lines = markdown(MEASURED, "cpu").splitlines()
    assert lines[0].split("|")[1:3] == [" Image size ", " 1.5mm runtime "]
    assert lines[2] == "| 512x512x280 | 1min 17s | 7.6GB | 6.1GB | 34s | 7.4GB | – |"
    assert lines[3] == "| 512x512x824 | – | – | – | 1min 23s | 10.6GB | 7.5GB |"
    assert "512x512x824, 1.5mm: was killed, perhaps for memory" in lines


def test_the_same_stands_in_csv_and_json(tmp_path):
    write_table(tmp_path, MEASURED, "cpu")
    with (tmp_path / "runtime.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["runtime_s"] for row in rows] == ["77.2", "34", "", "83.4"]
    document = json.loads((tmp_path / "runtime.json").read_text())
    assert document["predictions"][1]["shape"] == "512x512x280"
    assert document["machine"]["gpu"] is None
    assert document["machine"]["memory_gb"] > 0
