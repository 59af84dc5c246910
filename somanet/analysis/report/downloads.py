"""Tables and figures as links that save them as files; the links carry their files and need no script."""

from __future__ import annotations

import base64
import csv
import io
import math
import re
from collections.abc import Iterable, Sequence
from html import escape
from typing import Literal

from somanet.migration.intervals import Estimate

Kind = Literal["csv", "svg"]

TYPES: dict[Kind, str] = {"csv": "text/csv", "svg": "image/svg+xml"}
LONGEST_NAME = 80


def file_name(title: str, what: str, kind: Kind) -> str:
    """A file name that every system takes, from the title of the page and what the file shows."""
    stem = re.sub(r"[^\w.-]+", "_", title)[:LONGEST_NAME]
    return f"{stem}_{what}.{kind}"


def save_link(name: str, content: str, kind: Kind, *, of: str) -> str:
    """A link that saves ``content`` as a file.

    Args:
        name: of the file, from :func:`file_name`.
        content: its text.
        kind: its format, which is also the visible label.
        of: what it is, for readers who hear the page: ``the table of states``.
    """
    data = base64.b64encode(content.encode()).decode()
    return (
        f'<a class="save" download="{escape(name)}" href="data:{TYPES[kind]};charset=utf-8;base64,{data}" '
        f'aria-label="Save {escape(of)} as {kind.upper()}">{kind.upper()}</a>'
    )


def csv_text(heads: Sequence[str], rows: Iterable[Sequence[str | float | None]]) -> str:
    """Rows as CSV; None and NaN become empty cells."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(heads)
    writer.writerows(["" if value is None or value != value else value for value in row] for row in rows)
    return file.getvalue()


def estimate_heads(name: str) -> tuple[str, str, str, str]:
    """Columns of a number with its interval: see :func:`estimate_values`."""
    return (name, f"{name}_low95", f"{name}_high95", f"{name}_not_estimated")


def estimate_values(estimate: Estimate) -> tuple[float | None, float | None, float | None, str]:
    """A number, the ends of its 95 % interval, and the reason why there is none, as cells of a table."""
    value, low, high = (_six_digits(number) for number in (estimate.value, estimate.low, estimate.high))
    return value, low, high, estimate.problem


def _six_digits(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None
