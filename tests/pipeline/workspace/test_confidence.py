"""How sure a model was of a mask."""

import pytest

from pipeline.errors import BadInput
from pipeline.workspace import Confidence


def test_what_is_written_is_read_again_to_four_decimals() -> None:
    about = Confidence(0.912345, 0.25, 12.5).to_about()

    assert about == {
        "confidence.mean_probability": "0.9123",
        "confidence.mean_entropy": "0.2500",
        "confidence.uncertain_ml": "12.5000",
    }
    assert Confidence.from_about({**about, "other": "x"}) == Confidence(0.9123, 0.25, 12.5)


def test_a_mask_without_confidence_has_none() -> None:
    assert Confidence.from_about({"seconds": "3.0"}) is None


@pytest.mark.parametrize(
    "damaged",
    [
        {"confidence.mean_probability": "0.5"},
        {
            "confidence.mean_probability": "x",
            "confidence.mean_entropy": "0",
            "confidence.uncertain_ml": "0",
        },
    ],
)
def test_a_damaged_record_is_refused(damaged: dict[str, str]) -> None:
    with pytest.raises(BadInput, match="confidence cannot be read"):
        Confidence.from_about(damaged)
