"""Tables of times that a person types."""

from __future__ import annotations

from pathlib import Path

import pytest

from somanet.core.errors import SomaNetError
from somanet.io.times_table import read_times


def table(folder: Path, text: str) -> Path:
    path = folder / "times.csv"
    path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize(
    "text",
    [
        "frame,t_min\n0,0\n1,12\n2,144\n",
        "frame,t_h\n0,0\n1,0.2\n2,2.4\n",
        "Frame;T_min\r\n0;30\r\n1;42\r\n2;174\r\n;;\r\n",  # a spreadsheet's, by a clock that had started before
        "t_min\tframe\n144\t2\n12\t1\n0\t0\n",
    ],
)
def test_hours_since_frame_0(tmp_path: Path, text: str) -> None:
    assert read_times(table(tmp_path, text), 3) == pytest.approx((0, 0.2, 2.4))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("frame,time\n0,0\n1,12\n2,144\n", r"frame and t_h \(hours\) or t_min"),
        ("frame,t_h,t_min\n0,0,0\n1,1,60\n2,2,120\n", "two columns"),
        ("t_h\n0\n1\n2\n", r"lacks \['frame'\]"),
        ("frame,t_min\n0,0\n1,12\n", "frame 2 is missing"),
        ("frame,t_min\n1,0\n2,12\n3,24\n", "Count frames from 0"),
        ("frame,t_min\n0,0\n1,12\n2,24\n3,36\n", "frame 3 is not in the movie"),
        ("frame,t_min\n0,0\n1,12\n1,13\n2,24\n", "line 4: frame 1 has a time on line 3"),
        ("frame,t_min\n0,0\n1,12\n2,12\n", r"line 4: frame 2 is at 12 in t_min, no later than frame 1"),
        ("frame,t_min\n0,0\n1,12\n2,later\n", "line 4: expected a number in 't_min', found 'later'"),
        ("frame;t_h\n0;0\n1;0,2\n2;2,4\n", "decimals with a point"),
        ("frame,t_min\n0,0\n1,nan\n2,24\n", "expected a number"),
        ("frame,t_min\n0,0\n-1,12\n2,24\n", "frame number from 0"),
        ("frame,t_min\n0,0\n1.5,12\n2,24\n", "frame number from 0"),
        ("", "empty"),
    ],
)
def test_other_tables_are_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SomaNetError, match=message) as caught:
        read_times(table(tmp_path, text), 3)
    assert "\n" not in str(caught.value)
