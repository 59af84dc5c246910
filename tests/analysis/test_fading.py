"""A movie that loses its cells is told so, with the frame, and one that keeps them is not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from somanet.analysis.fading import note_on_fading


def somas(counts: list[int], contrast: list[float]) -> pd.DataFrame:
    frames = np.repeat(np.arange(len(counts)), counts)
    return pd.DataFrame({"frame": frames, "contrast": np.asarray(contrast)[frames]})


@pytest.mark.parametrize(
    ("counts", "contrast", "words"),
    [
        ([9] * 12, [9.0] * 12, None),
        ([9] * 6 + [5] * 6, [9.0] * 6 + [3.0] * 6, None),  # more than half are left
        ([2] * 6 + [0] * 6, [9.0] * 12, None),  # few cells may leave
        ([9] * 4 + [1] * 4, [9.0] * 8, None),  # too few frames to tell
        ([9] * 6 + [3] * 6, [9.0] * 12, "less than half from frame 6 on. Do they leave the field or the focus?"),
        ([9] * 6 + [3] * 6, [9.0] * 6 + [3.0] * 6, "stand out less (contrast 9.0, then 3.0): it fades or loses focus."),
        ([9] * 6 + [0] * 6, [9.0] * 12, "less than half from frame 6 on: it fades or loses focus."),
    ],
)
def test_cells_that_get_lost_are_told(counts: list[int], contrast: list[float], words: str | None) -> None:
    note = note_on_fading(somas(counts, contrast), n_frames=len(counts))
    assert (note is None) == (words is None)
    if words is not None:
        assert note is not None
        assert note.startswith("Cells get lost as the movie goes on: 9.0 are found in a frame of its first third, ")
        assert words in note


def test_blank_frames_are_another_note() -> None:
    """The lamp is off in the last third."""
    counts, contrast = [9] * 12 + [0] * 6, [9.0] * 18
    assert note_on_fading(somas(counts, contrast), n_frames=18) is not None
    assert note_on_fading(somas(counts, contrast), n_frames=18, blank_frames=range(12, 18)) is None


def test_single_frames_without_cells_do_not_name_the_frame() -> None:
    counts = [9, 9, 9, 0, 9, 9, 9, 9, 9, 3, 3, 3, 3, 3, 3]
    note = note_on_fading(somas(counts, [5.0] * 15), n_frames=15)
    assert note is not None
    assert "from frame 9 on" in note
