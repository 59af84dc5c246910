"""What can be set about the study: which rows its table has, in which order, and what they are compared with."""

from __future__ import annotations

from pydantic import Field, model_validator

from somanet.core.settings import NonNegativeInt, PositiveFloat, Settings
from somanet.training.paper.published import PAPER


class StudyRow(Settings):
    """A line of the table: a variant, or a pretrained network untouched."""

    variant: str | None = None
    """Of the section `finetune`."""
    network: str | None = None
    """Of the section `pretrain`."""
    what: str
    """In words."""
    paper: str | None = None
    """The paper's result that stands beside it, a key of :data:`somanet.training.paper.published.PAPER`."""

    @model_validator(mode="after")
    def _one_source(self) -> StudyRow:
        if (self.variant is None) == (self.network is None):
            raise ValueError("expected variant or network, one of the two")
        if self.paper is not None and self.paper not in PAPER:
            raise ValueError(f"paper is {self.paper!r}; the paper's results are {', '.join(PAPER)}")
        return self

    @property
    def name(self) -> str:
        """As the table calls it."""
        return self.variant if self.variant is not None else f"baseline: {self.network}"


class StudySection(Settings):
    """Rows that belong together, under a heading."""

    title: str
    rows: tuple[StudyRow, ...] = Field(min_length=1)


class ThresholdSettings(Settings):
    """The reference without learning: a threshold on the strongest channel, an opening, connected components."""

    threshold: PositiveFloat
    """In grey values of the image."""
    opening_radius_px: NonNegativeInt
    """Of the disk; 0 = no opening."""


class StudyParams(Settings):
    """The table of the study."""

    title: str
    threshold: ThresholdSettings
    reference: str
    """The variant that every other row is compared with, image by image."""
    sections: tuple[StudySection, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _rows_once(self) -> StudyParams:
        names = [row.name for row in self.rows]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"sections name {', '.join(twice)} more than once")
        if self.reference not in [row.variant for row in self.rows]:
            raise ValueError(f"reference is {self.reference!r}, which is no variant of the sections")
        return self

    @property
    def rows(self) -> tuple[StudyRow, ...]:
        """All rows, in order."""
        return tuple(row for section in self.sections for row in section.rows)

    def check_names(self, networks: set[str], variants: set[str]) -> None:
        """Refuse rows that the sections `pretrain` and `finetune` lack.

        Raises:
            ValueError: naming the row and what there is.
        """
        for row in self.rows:
            there, name, section = (
                (variants, row.variant, "finetune") if row.variant is not None else (networks, row.network, "pretrain")
            )
            if name not in there:
                raise ValueError(f"study names {name!r}; {section} has {', '.join(sorted(there))}")
