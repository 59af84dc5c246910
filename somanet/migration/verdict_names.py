"""The three verdicts on saltation numbers, by name: they hold, they do not, or the data cannot tell."""

from __future__ import annotations

HOLD, FAIL, UNTOLD = "hold", "do not hold", "cannot tell"
VERDICT = "verdict"
"""Column of cells of several movies: the verdict on each one's movie, where that is known."""
