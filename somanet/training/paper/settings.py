"""The study's settings: the rows of its table, their order, and what they are compared with."""

from __future__ import annotations

from pydantic import Field, model_validator

from somanet.core.settings import NonNegativeInt, PositiveFloat, Settings
from somanet.training.paper.published import PAPER


class StudyRow(Settings):
    """A row of the table: a variant, or a pretrained network without fine-tuning."""

    variant: str | None = None
    """A name in the section `finetune`."""
    network: str | None = None
    """A name in the section `pretrain`."""
    what: str
    """Short description."""
    paper: str | None = None
    """The paper's corresponding result, a key of :data:`somanet.training.paper.published.PAPER`."""

    @model_validator(mode="after")
    def _one_source(self) -> StudyRow:
        if (self.variant is None) == (self.network is None):
            raise ValueError("expected either variant or network")
        if self.paper is not None and self.paper not in PAPER:
            raise ValueError(f"paper is {self.paper!r}; the paper's results are {', '.join(PAPER)}")
        return self

    @property
    def name(self) -> str:
        """The row's name in the table."""
        return self.variant if self.variant is not None else f"baseline: {self.network}"


class StudySection(Settings):
    """Rows that belong together, under a heading."""

    title: str
    rows: tuple[StudyRow, ...] = Field(min_length=1)


class ThresholdSettings(Settings):
    """The baseline without learning: a threshold on the strongest channel, an opening, connected components."""

    threshold: PositiveFloat
    """In the image's grey values."""
    opening_radius_px: NonNegativeInt
    """Radius of the disk; 0 = no opening."""


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
            raise ValueError(f"reference is {self.reference!r}, which is not a variant in the sections")
        return self

    @property
    def rows(self) -> tuple[StudyRow, ...]:
        """All rows, in order."""
        return tuple(row for section in self.sections for row in section.rows)

    def check_names(self, networks: set[str], variants: set[str]) -> None:
        """Refuse rows that are missing in the sections `pretrain` and `finetune`.

        Raises:
            ValueError: naming the row and the names available.
        """
        for row in self.rows:
            there, name, section = (
                (variants, row.variant, "finetune") if row.variant is not None else (networks, row.network, "pretrain")
            )
            if name not in there:
                raise ValueError(f"study names {name!r}; {section} has {', '.join(sorted(there))}")
