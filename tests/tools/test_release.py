"""A release: its tag, its changelog, and the files in its distributions."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml

import somanet
from tools.release import source_complaints, tag_complaints, wheel_complaints

ROOT = Path(__file__).resolve().parents[2]

CHANGELOG = """\
# Changelog

## [0.2.0] - 2027-03-04

### Numbers

- None.

### Added

## [0.1.0] - 2026-12-24

### Added
"""
CITATION = {"version": "0.2.0", "date-released": "2027-03-04"}
TRACKED = [
    *(
        "LICENSE",
        "LICENSES/MIT.txt",
        "NOTICE",
        "CHANGELOG.md",
        "CITATION.cff",
        "MANIFEST.in",
        "README.md",
        "pyproject.toml",
    ),
    *("somanet/__init__.py", "somanet/model/config.json", "tests/test_a.py", "tools/release.py", "docs/a.md"),
]
WHEEL = [
    *("somanet/__init__.py", "somanet/model/config.json"),
    *(f"somanet-0.2.0.dist-info/{n}" for n in ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "top_level.txt")),
    *(f"somanet-0.2.0.dist-info/licenses/{name}" for name in ("LICENSE", "NOTICE", "LICENSES/MIT.txt")),
]
SOURCE = [f"somanet-0.2.0/{name}" for name in (*TRACKED[:-3], "PKG-INFO", "setup.cfg", "somanet.egg-info/SOURCES.txt")]


def test_a_release_that_is_ready() -> None:
    assert tag_complaints("v0.2.0", "0.2.0", CHANGELOG, CITATION) == []


@pytest.mark.parametrize(
    ("tag", "version", "old", "new", "complaint"),
    [
        ("v0.3.0", "0.2.0", "", "", "somanet/__init__.py has version 0.2.0"),
        ("0.2.0", "0.2.0", "", "", "expected v and a version"),
        ("v0.2", "0.2", "", "", "expected v and a version"),
        ("v0.2.0", "0.2.0", "[0.2.0] - 2027-03-04", "[0.2.0] - unreleased", "expected '## [0.2.0] - YEAR"),
        ("v0.2.0", "0.2.0", "[0.2.0] -", "[0.2.1] -", "no part '## [0.2.0]"),
        ("v0.2.0", "0.2.0", "2027-03-04", "2027-03-05", "date-released"),
        ("v0.2.0", "0.2.0", "### Numbers", "### Changed", "does not begin with '### Numbers'"),
        ("v0.2.0", "0.2.0", "### Numbers\n\n- None.\n\n", "", "does not begin with '### Numbers'"),
    ],
)
def test_what_is_not_ready(tag: str, version: str, old: str, new: str, complaint: str) -> None:
    citation = {**CITATION, "version": version}
    assert any(complaint in line for line in tag_complaints(tag, version, CHANGELOG.replace(old, new), citation))


def test_the_citation_has_the_version() -> None:
    [complaint] = tag_complaints("v0.2.0", "0.2.0", CHANGELOG, {**CITATION, "version": "0.1.0"})
    assert complaint == "CITATION.cff has version 0.1.0, but the code 0.2.0"


def test_only_the_date_of_this_tree_is_missing_for_its_release() -> None:
    """Everything else can be held ready between releases: the version everywhere, Numbers first."""
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    found = tag_complaints(f"v{somanet.__version__}", somanet.__version__, changelog, citation)
    assert [line for line in found if "unreleased" not in line] == []


def test_distributions_with_all_files() -> None:
    assert wheel_complaints(WHEEL, TRACKED, "0.2.0") == []
    assert source_complaints(SOURCE, TRACKED, "0.2.0") == []


@pytest.mark.parametrize("name", WHEEL)
def test_a_wheel_that_lacks_a_file(name: str) -> None:
    assert wheel_complaints([one for one in WHEEL if one != name], TRACKED, "0.2.0") == [f"the wheel lacks {name}"]


def test_a_wheel_with_other_files() -> None:
    [complaint] = wheel_complaints([*WHEEL, "tests/test_a.py"], TRACKED, "0.2.0")
    assert "has tests/test_a.py" in complaint


def test_a_source_distribution_with_tests_or_without_a_licence() -> None:
    [complaint] = source_complaints([*SOURCE, "somanet-0.2.0/tests/test_a.py"], TRACKED, "0.2.0")
    assert "has tests/test_a.py" in complaint
    [complaint] = source_complaints([one for one in SOURCE if "MIT" not in one], TRACKED, "0.2.0")
    assert complaint == "the source distribution lacks LICENSES/MIT.txt"


@pytest.mark.slow
def test_the_distributions_of_this_tree(tmp_path: Path) -> None:
    """Built without isolation, as nothing else is needed, in a copy of what git has, and checked as a release is."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, encoding="utf-8", check=True)
    tree = tmp_path / "tree"
    names = [name for name in listed.stdout.split("\0") if name and not name.startswith("profiles/")]
    for name in names:
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, tree / name)
    build = "import sys; from setuptools import build_meta as b; print(b.build_wheel('dist'), b.build_sdist('dist'))"
    done = subprocess.run([sys.executable, "-c", build], cwd=tree, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    [wheel], [source] = (tree / "dist").glob("*.whl"), (tree / "dist").glob("*.tar.gz")
    tracked = [name for name in names if (ROOT / name).is_file()]
    with zipfile.ZipFile(wheel) as content:
        assert wheel_complaints(content.namelist(), tracked, somanet.__version__) == []
    with tarfile.open(source) as content:
        members = [member.name for member in content.getmembers() if not member.isdir()]
    assert source_complaints(members, tracked, somanet.__version__) == []
