"""Times that are no numbers: `0:12:00`, as microscopes and spreadsheets show them, and dates with a time of day."""

from __future__ import annotations

import pandas as pd

from somanet.core.errors import SomaNetError

_CLOCK = r"(?:(?P<days>\d+) days?,? )?(?P<hours>\d+):(?P<minutes>[0-5]\d):(?P<seconds>[0-5]\d(?:[.,]\d+)?)"
_DATE = r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?"
WANTED = "a number, or a time such as 0:12:00 or 2024-05-31 14:12:00"
"""What a cell with a time may be, for messages."""


def seconds_of(texts: pd.Series, tracks: pd.Series, where: str) -> pd.Series | None:
    """Seconds of times of day, of durations, or of dates with a time of day; of the last since the earliest.

    Args:
        texts: the times, empty where there is none.
        tracks: what names the track of each, in the order of the table.
        where: the table, for the message.

    Returns:
        None if the texts are none of these, or not all of one kind; NaN where there is none.

    Raises:
        SomaNetError: times of day of a track that go back: past midnight they do not say how far.
    """
    filled = texts[texts != ""]
    if filled.empty:
        return None
    if filled.str.fullmatch(_DATE).all():
        moments = pd.to_datetime(filled, format="ISO8601", utc=True)
        return (moments - moments.min()).dt.total_seconds().reindex(texts.index)
    if not filled.str.fullmatch(_CLOCK).all():
        return None
    parts = filled.str.replace(",", ".").str.extract(_CLOCK).fillna("0").astype(float)
    seconds = parts["days"] * 86400 + parts["hours"] * 3600 + parts["minutes"] * 60 + parts["seconds"]
    back = seconds.groupby(tracks[filled.index]).diff() < 0
    if back.any():
        line = back.index[back][0]
        raise SomaNetError(
            f"{where}, line {line}: expected times that increase along each track, found {filled[line]!r} after a "
            "later one. Do the times of day run past midnight? Give hours since the start, or dates with the times."
        )
    return seconds.reindex(texts.index)
