"""Which folders are results of a movie."""

from __future__ import annotations

from pathlib import Path

import pytest

from somanet.analysis import names
from somanet.analysis.manifest import results_in
from somanet.core.files import write_json

MANIFEST = {
    "somanet": "0", "files": {}, "code": {}, "parameters": {},
    "input": {"movie": "a", "file": "a.ome.tif", "sha256": "0"},
}  # fmt: skip


def test_results_that_replace_kept_do_not_count_beside_the_new_ones(tmp_path: Path) -> None:
    for name in ("a", "a.before", "a.before-2", "b/before.2020", ".hidden"):
        write_json(tmp_path / name / names.MANIFEST, MANIFEST)
    assert [path.relative_to(tmp_path).as_posix() for path in results_in(tmp_path)] == ["a", "b/before.2020"]
    assert results_in(tmp_path / "a.before") == [tmp_path / "a.before"]


@pytest.mark.parametrize("movie", [{}, {"movie": "a", "file": "a.ome.tif"}, None, 5])
def test_a_manifest_without_its_movie_is_none(tmp_path: Path, movie: object) -> None:
    write_json(tmp_path / "a" / names.MANIFEST, {**MANIFEST, "input": movie})
    assert results_in(tmp_path) == []
