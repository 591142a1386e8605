"""A model card: one YAML file that says what an existing model is and what its labels mean.

The card is the only place that knows a model's label numbers; the code knows none.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

Spacing = tuple[float, float, float]
StructureName = Annotated[str, Field(min_length=1)]
LabelValue = Annotated[int, Field(ge=1, le=65535)]


def _one_of_three(value: object) -> object:
    if value not in (True, False, "if_found"):
        raise ValueError("expected true, false or if_found")
    return value


Enabled = Annotated[bool | Literal["if_found"], BeforeValidator(_one_of_three)]


class CardModel(BaseModel):
    """Base of everything that is read from a card: frozen, and unknown keys are refused."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True)


class Weights(CardModel):
    """Where a model's files come from.

    `path` is a place on this machine (a folder, a zip or a file; `~` is allowed, a relative path
    counts from the card's folder), `url` is where a person can download them, `sha256` is the
    digest they must have if it is given; its first eight digits or more are enough, since some
    files carry no more of it in their names. `advice` says in words how they come to that place,
    where a download is not all.
    """

    path: str | None = None
    url: str | None = None
    advice: str = ""
    sha256: str | None = Field(default=None, pattern="^[0-9a-f]{8,64}$")


class ModelCard(CardModel):
    """What one existing model is: who made it, how it runs, what its label values mean.

    `labels` names the label values one by one; `class_map` takes them from a class map instead.
    Names listed in `without_target` are known to have no structure in the class map (the whole
    heart); they are reported for every case, never an error. Those listed in `review` are such
    names, too, and somebody must look at the case (a 13th thoracic vertebra).

    `enabled: if_found` takes part in a run only where its weights and program are there.
    `postprocess: split_ribs` takes all labels as one mask of ribs, tells the ribs apart and
    numbers them. `lineage` are words by which people look for what came from this model.
    """

    name: str = Field(pattern="^[a-z0-9][a-z0-9_.-]*$")
    summary: str = ""
    enabled: Enabled = True
    runner: str
    options: Mapping[str, Any] = Field(default_factory=dict)
    weights: Weights = Weights()
    licence: str = Field(min_length=1)
    reference: str = Field(min_length=1)
    known_bias: str = ""
    spacing_mm: Spacing | None = None
    priority: int
    class_map: str | None = None
    labels: Mapping[LabelValue, StructureName] = Field(default_factory=dict)
    without_target: tuple[StructureName, ...] = ()
    review: tuple[StructureName, ...] = ()
    postprocess: Literal["split_ribs"] | None = None
    lineage: tuple[str, ...] = ()

    @field_validator("spacing_mm", mode="before")
    @classmethod
    def _one_number_is_isotropic(cls, value: object) -> object:
        return (value, value, value) if isinstance(value, int | float) else value

    @field_validator("spacing_mm")
    @classmethod
    def _spacing_is_positive(cls, value: Spacing | None) -> Spacing | None:
        if value is not None and not all(0 < mm < 100 for mm in value):
            raise ValueError("each spacing must lie between 0 and 100 mm")
        return value

    @field_validator("labels")
    @classmethod
    def _names_are_unique(cls, labels: Mapping[int, str]) -> Mapping[int, str]:
        names = list(labels.values())
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"these structures have more than one value: {', '.join(twice)}")
        return labels

    @model_validator(mode="after")
    def _labels_come_from_one_place(self) -> "ModelCard":
        if bool(self.labels) == (self.class_map is not None):
            raise ValueError(
                "give either labels (value: structure) or class_map (a name), not both"
            )
        return self


@dataclass(frozen=True, slots=True)
class CardLabels:
    """The label values of one model by structure name, beside a class map.

    What is *without target* is something the model can label but the class map has no structure
    for. It is counted and reported for every case, never dropped in silence.

    Attributes
    ----------
    names_by_value : mapping of int to str
        Every value the card names, with or without a target.
    covered : tuple of str
        The structures of the class map that the model knows, in its order.
    without_target : tuple of str
        In the order of the card's values.
    """

    names_by_value: Mapping[int, str]
    covered: tuple[str, ...]
    without_target: tuple[str, ...]
