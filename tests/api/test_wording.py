"""An error names the argument of the Python call, where the command has an option."""

from __future__ import annotations

import pytest

from somanet.api.wording import in_python
from somanet.core.errors import SomaNetError
from somanet.core.problems import FileProblem


@in_python
def segment(image: int, *, pixel_size_um: float | None = None, keep_haze: bool = False, diameter_px: float = 1) -> int:
    """Refuse odd images."""
    if image % 2:
        raise FileProblem(
            "Give --pixel-size-um and --diameter, or --keep-haze; not --pixel-size-umbra, --workers or a--diameter.",
            "not an image",
        )
    return image


def test_options_become_arguments() -> None:
    assert segment(4, pixel_size_um=0.5) == 4
    with pytest.raises(SomaNetError) as caught:
        segment(3)
    assert str(caught.value) == (
        "Give pixel_size_um and diameter_px, or keep_haze=True; not --pixel-size-umbra, --workers or a--diameter."
    )
    assert isinstance(caught.value, FileProblem)
    assert segment.__doc__ == "Refuse odd images."
