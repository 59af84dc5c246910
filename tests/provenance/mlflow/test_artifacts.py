from __future__ import annotations

from pathlib import Path

import pytest

from somanet.provenance.mlflow.artifacts import local_folder


@pytest.mark.parametrize(
    ("uri", "folder"),
    [
        ("/lab/mlruns/artifacts/1/abc/artifacts", "/lab/mlruns/artifacts/1/abc/artifacts"),
        ("file:///lab/a%20b/artifacts", "/lab/a b/artifacts"),
        ("mlflow-artifacts:/1/abc/artifacts", None),  # handed out by a server
        ("s3://bucket/1/abc/artifacts", None),
        ("", None),
    ],
)
def test_only_files_of_this_computer_have_a_folder(uri: str, folder: str | None) -> None:
    assert local_folder(uri) == (None if folder is None else Path(folder))
