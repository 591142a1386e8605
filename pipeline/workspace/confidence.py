"""How sure a model was of a mask, kept in the mask's provenance.

A network gives every voxel a probability of belonging to the structure. What is kept of them is
small enough to stay with the mask for ever: three numbers, by which masks are sorted for review
and cases are chosen for correction (paper section 2.2.4; uncertainty as in active learning).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from pipeline.errors import BadInput
from pipeline.workspace.words import Mask, Provenance

_PREFIX = "confidence."
_DIGITS = 4


@dataclass(frozen=True, slots=True)
class Confidence:
    """How sure a model was of one structure in one case.

    Attributes
    ----------
    mean_probability : float
        Mean probability of the structure over the voxels labelled as it, 0 to 1; 0 where no
        voxel was.
    mean_entropy : float
        Mean binary entropy, in bits (0 to 1), of the structure's probability over those voxels
        and the uncertain ones.
    uncertain_ml : float
        Volume in which the structure's probability lies between 0.2 and 0.8, in or out of the
        mask.
    """

    mean_probability: float
    mean_entropy: float
    uncertain_ml: float

    def to_about(self) -> dict[str, str]:
        """Give the entries of ``Provenance.about``."""
        return {
            f"{_PREFIX}{name}": f"{getattr(self, name):.{_DIGITS}f}"
            for name in self.__dataclass_fields__
        }

    def added_to(self, provenance: Provenance) -> Provenance:
        """Give a mask's provenance that also says how sure the model was."""
        return replace(provenance, about={**provenance.about, **self.to_about()})

    @classmethod
    def from_about(cls, about: Mapping[str, str]) -> "Confidence | None":
        """Read what :meth:`to_about` gave; None where no model said how sure it was.

        Raises
        ------
        BadInput
            If a number cannot be read.
        """
        texts = {name: about.get(f"{_PREFIX}{name}") for name in cls.__dataclass_fields__}
        if all(text is None for text in texts.values()):
            return None
        try:
            return cls(**{name: float(text or "") for name, text in texts.items()})
        except ValueError as error:
            raise BadInput(f"a mask's confidence cannot be read from {texts}: {error}") from error

    @classmethod
    def of(cls, mask: Mask) -> "Confidence | None":
        """Read a mask's confidence; None where no model said how sure it was."""
        return cls.from_about(mask.provenance.about)
