"""Model cards on disk: reading them with errors a person can act on, and their digest.

The digest says what a model is. Left out of it is what changes nothing about the masks: places
(`weights.path`), `enabled`, options such as a time limit, and what is for people (`summary`,
`known_bias`, `lineage`, `review`). A bias learned of later is written down without running the
model again.
"""

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from pipeline.bootstrap.card import CardLabels, ModelCard
from pipeline.bootstrap.runners import RUNNERS
from pipeline.errors import BadInput
from pipeline.workspace import digest_of

_FOR_PEOPLE = ("summary", "known_bias", "lineage", "review")
_PLACES = {"path", "advice"}
_SAID_IF_SET = ("lineage", "review", "postprocess")
CARDS_FOLDER = Path("bootstrap") / "models"


class CardError(BadInput):
    """A model card is missing, unreadable or says something that cannot be."""


@dataclass(frozen=True, slots=True)
class CardFile:
    """A card that was read, with the file it came from and the runner's options as an object."""

    card: ModelCard
    path: Path
    options: BaseModel

    @property
    def name(self) -> str:
        """The model's name, which is also the file's name without `.yaml`."""
        return self.card.name

    def digest(self, labels: CardLabels) -> str:
        """Give the sha256 (hex) of what the card says and masks could depend on."""
        said = {key: value for key, value in self.said(labels).items() if key not in _FOR_PEOPLE}
        incidental = RUNNERS[self.card.runner].incidental_options
        said["options"] = {k: v for k, v in said["options"].items() if k not in incidental}
        return digest_of(said)

    def said(self, labels: CardLabels) -> dict[str, Any]:
        """Give all that the card says, as JSON values, without places on this machine.

        The labels of a class map are written out: should the map change, this card said another
        thing.
        """
        said = self.card.model_dump(mode="json", exclude={"enabled": True, "weights": _PLACES})
        said["options"] = self.options.model_dump(mode="json")
        said["labels"] = {str(value): name for value, name in labels.names_by_value.items()}
        return {key: value for key, value in said.items() if value or key not in _SAID_IF_SET}

    def snapshot_yaml(self, labels: CardLabels) -> str:
        """Write the card as YAML, to be kept beside the masks it led to."""
        text: str = yaml.safe_dump(self.said(labels), sort_keys=False, allow_unicode=True)
        return f"# digest {self.digest(labels)}\n{text}"


def cards_folder(configs: Path) -> Path:
    """Say where the cards lie below a settings folder."""
    return configs / CARDS_FOLDER


def card_names(configs: Path) -> tuple[str, ...]:
    """Name the cards found, sorted; the file's name is the card's name."""
    found = cards_folder(configs).glob("*.yaml")
    return tuple(sorted(path.stem for path in found if not path.name.startswith(".")))


def read_named_card(configs: Path, name: str) -> CardFile:
    """Read the card of one model.

    Raises
    ------
    CardError
        If there is no card of that name, or it is not a good one.
    """
    path = cards_folder(configs) / f"{name}.yaml"
    names = card_names(configs)
    if name not in names:
        raise CardError(
            f"no model card named '{name}' in {path.parent}{close_matches(name, names)}; "
            f"cards there: {', '.join(names) or 'none'}"
        )
    return read_card(path)


def read_card(path: Path) -> CardFile:
    """Read and check one card file.

    Raises
    ------
    CardError
        Naming the file, the key, what was found and what was expected.
    """
    said = _read_mapping(path)
    try:
        card = ModelCard.model_validate(said)
    except ValidationError as error:
        raise CardError(_explain(path, error, ModelCard)) from error
    if card.name != path.stem:
        raise CardError(
            f"{path}: name: found '{card.name}', expected '{path.stem}' (the file's own name)"
        )
    return CardFile(card, path, _read_options(path, card))


def close_matches(word: str, known: tuple[str, ...] | list[str]) -> str:
    """Write '; did you mean a or b?' for a misspelt word, or nothing."""
    close = difflib.get_close_matches(word, known, n=3, cutoff=0.6)
    return f"; did you mean {' or '.join(close)}?" if close else ""


def _read_options(path: Path, card: ModelCard) -> BaseModel:
    runner = RUNNERS.get(card.runner)
    if runner is None:
        known = tuple(RUNNERS)
        raise CardError(
            f"{path}: runner: found '{card.runner}', expected one of {', '.join(known)}"
            f"{close_matches(card.runner, known)}"
        )
    try:
        return runner.options.model_validate(dict(card.options))
    except ValidationError as error:
        raise CardError(_explain(path, error, runner.options, prefix="options")) from error


def _read_mapping(path: Path) -> dict[str, Any]:
    try:
        said = yaml.load(path.read_text(encoding="utf-8"), Loader=_OneValuePerKey)
    except OSError as error:
        raise CardError(f"{path}: cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CardError(f"{path}: is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(said, dict):
        raise CardError(
            f"{path}: expected keys and values (name: ..., runner: ...), found {said!r}"
        )
    return said


class _OneValuePerKey(yaml.SafeLoader):
    """A safe YAML reader that refuses a key written twice (a label value, say)."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Build a mapping after checking that no key comes twice."""
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key '{key}' is written twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


def _explain(path: Path, error: ValidationError, model: type[BaseModel], prefix: str = "") -> str:
    faults = [_explain_one(fault, model, prefix) for fault in error.errors(include_url=False)]
    return f"{path}: " + "; ".join(faults)


def _explain_one(fault: Any, model: type[BaseModel], prefix: str) -> str:
    parts = [prefix, *(str(part) for part in fault["loc"] if part != "[key]")]
    key = ".".join(part for part in parts if part)
    if fault["type"] == "extra_forbidden":
        known = _keys_at(model, fault["loc"])
        last = str(fault["loc"][-1])
        return f"{key}: unknown key{close_matches(last, known)} known keys: {', '.join(known)}"
    if fault["type"] == "missing":
        return f"{key}: expected a value, found none"
    message = str(fault["msg"]).removeprefix("Value error, ")
    return f"{key}: {message}, found {_short(fault['input'])}" if key else message


def _keys_at(model: type[BaseModel], loc: tuple[int | str, ...]) -> tuple[str, ...]:
    for part in loc[:-1]:
        field = model.model_fields.get(str(part))
        inner = [] if field is None else [field.annotation, *get_args(field.annotation)]
        deeper = [kind for kind in inner if isinstance(kind, type) and issubclass(kind, BaseModel)]
        if not deeper:
            return ()
        model = deeper[0]
    return tuple(model.model_fields)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
