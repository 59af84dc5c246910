"""Tables: equal tables are equal bytes, and a wrong cell is found by line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from somanet.core.errors import SomaNetError
from somanet.core.schema import MANIFEST, SALTATIONS, SPLIT, TRACKS, Column, Schema, check_columns
from somanet.io.tables import read_table, write_table

ROW = {"track_id": 3, "frame": 0, "t_h": 0.2, "y_px": 1 / 3, "x_px": 5.0, "y_um": 0.1, "x_um": 1.5}


def test_a_table_is_read_back_and_bytes_are_fixed(tmp_path: Path) -> None:
    table = TRACKS.frame([ROW, ROW | {"track_id": 4, "y_um": np.nan}])
    write_table(tmp_path / "a.csv", table[list(reversed(TRACKS.names))].assign(extra="NA"), TRACKS)
    lines = (tmp_path / "a.csv").read_bytes().split(b"\n")
    assert lines[:2] == [b"track_id,frame,t_h,y_px,x_px,y_um,x_um,extra", b"3,0,0.2,0.333333333,5,0.1,1.5,NA"]
    again = read_table(tmp_path / "a.csv", TRACKS)
    pd.testing.assert_frame_equal(again[list(TRACKS.names)], table, rtol=1e-8)


@pytest.mark.parametrize("schema", [MANIFEST, SPLIT, TRACKS, SALTATIONS])
def test_an_empty_table_keeps_its_types(tmp_path: Path, schema: object) -> None:
    table = schema.frame([])  # type: ignore[attr-defined]
    write_table(tmp_path / "a.csv", table)
    pd.testing.assert_frame_equal(read_table(tmp_path / "a.csv", schema), table)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("one", "line 3: expected a whole number in 'frame', found 'one'"),
        ("1.5", "found '1.5'"),
        ("", "found ''"),
    ],
)
def test_a_wrong_cell_is_named(tmp_path: Path, cell: str, words: str) -> None:
    header = ",".join(TRACKS.names)
    (tmp_path / "a.csv").write_text(f"{header}\n1,2,3,4,5,6,7\n1,{cell},3,4,5,6,7\n")
    with pytest.raises(SomaNetError, match=words):
        read_table(tmp_path / "a.csv", TRACKS)


def test_missing_columns_and_files(tmp_path: Path) -> None:
    with pytest.raises(SomaNetError, match=r"a.csv: the tracks table lacks \['t_h'"):
        check_columns(pd.DataFrame({"track_id": [1], "frame": [0]}), TRACKS, "a.csv")
    with pytest.raises(SomaNetError, match="no such tracks table"):
        read_table(tmp_path / "none.csv", TRACKS)
    (tmp_path / "bad.csv").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(SomaNetError, match="CSV table in UTF-8"):
        read_table(tmp_path / "bad.csv", TRACKS)


def test_ids_are_text_in_any_table(tmp_path: Path) -> None:
    """Also where the schema does not name them: pandas would make one donor of three, and numbers of days."""
    (tmp_path / "t.csv").write_text("id,donor,batch,age\na,01,3,5\nb,1,,6\nc,001,3,7\n")
    table = read_table(tmp_path / "t.csv", Schema("ids", (Column("id", "string", "", "a name"),)))
    assert table["donor"].tolist() == ["01", "1", "001"]
    assert table["batch"].tolist() == ["3", "", "3"]
    assert table["age"].tolist() == [5, 6, 7]
