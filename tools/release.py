"""Is this tree ready to be released as a version, and are these files what a release has? `make dist`.

The version has one source, `somanet.__version__`; a release is a tag `v` + version. It is no version derived from git:
manifests and DVC's outputs record it, and would change with every commit.

`python -m tools.release tag v0.2.0` compares a tag with the version in the code, in CITATION.cff and in CHANGELOG.md,
whose part of this version has a date and begins with Numbers. `python -m tools.release files dist/*` compares the files
in a wheel and a source distribution with those in git.
"""

from __future__ import annotations

import re
import subprocess
import tarfile
import zipfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

import somanet
from somanet.core.errors import SomaNetError
from tools.command_line import run

app = typer.Typer(name="tools.release", pretty_exceptions_enable=False)

VERSION = re.compile(r"\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?")
BESIDE = ("LICENSE", "LICENSES", "NOTICE")
"""Files and folders of the root whose files a wheel has among its licences."""
IN_SOURCE = ("CHANGELOG.md", "CITATION.cff", "MANIFEST.in", "README.md", "pyproject.toml")
"""Further files of the root in a source distribution."""
_MADE = ("setup.cfg", "PKG-INFO")
_DATE = r"\d{4}-\d{2}-\d{2}"


def tag_complaints(tag: str, version: str, changelog: str, citation: Mapping[str, Any]) -> list[str]:
    """Why a tag is no release of a tree, one line each.

    Args:
        tag: such as v0.2.0.
        version: of the code.
        changelog: the text of CHANGELOG.md.
        citation: the content of CITATION.cff.
    """
    found = []
    if not VERSION.fullmatch(tag.removeprefix("v")) or not tag.startswith("v"):
        found.append(f"the tag is {tag}; expected v and a version, such as v0.2.0")
    elif tag != f"v{version}":
        found.append(f"the tag is {tag}, but somanet/__init__.py has version {version}; set one as the other")
    if str(citation.get("version")) != version:
        found.append(f"CITATION.cff has version {citation.get('version')}, but the code {version}")
    parts = re.split(r"^## ", changelog, flags=re.MULTILINE)
    of = next((part for part in parts if part.startswith(f"[{version}]")), None)
    if of is None:
        return [*found, f"CHANGELOG.md has no part '## [{version}] - DATE'"]
    heading, _, rest = of.partition("\n")
    date = re.fullmatch(rf"\[{re.escape(version)}\] - ({_DATE})", heading.strip())
    if date is None:
        found.append(f"CHANGELOG.md says '## {heading.strip()}'; expected '## [{version}] - YEAR-MONTH-DAY'")
    elif str(citation.get("date-released")) != date[1]:
        found.append(f"CITATION.cff has date-released {citation.get('date-released')}, but CHANGELOG.md {date[1]}")
    if re.findall(r"^### (.+)$", rest, flags=re.MULTILINE)[:1] != ["Numbers"]:
        found.append(f"the part [{version}] of CHANGELOG.md does not begin with '### Numbers'")
    return found


def wheel_complaints(names: Collection[str], tracked: Collection[str], version: str) -> list[str]:
    """What a wheel lacks or has too much, one line each.

    Args:
        names: the files in it.
        tracked: the files in git.
        version: of the wheel.
    """
    info = f"somanet-{version}.dist-info"
    made = {f"{info}/{name}" for name in ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "top_level.txt")}
    licences = {f"{info}/licenses/{name}" for name in tracked if name.split("/")[0] in BESIDE}
    package = {name for name in tracked if name.startswith("somanet/")}
    return _differences("the wheel", set(names), package | made | licences)


def source_complaints(names: Collection[str], tracked: Collection[str], version: str) -> list[str]:
    """The same of a source distribution."""
    top = f"somanet-{version}/"
    inside = {name.removeprefix(top) for name in names}
    inside = {name for name in inside if name not in _MADE and not name.startswith("somanet.egg-info/")}
    wanted = {name for name in tracked if name.split("/")[0] in (*BESIDE, *IN_SOURCE, "somanet")}
    return _differences("the source distribution", inside, wanted)


def _differences(what: str, names: set[str], wanted: set[str]) -> list[str]:
    return [
        *(f"{what} lacks {name}" for name in sorted(wanted - names)),
        *(f"{what} has {name}, which is not in git, or does not belong there" for name in sorted(names - wanted)),
    ]


@app.command("tag")
def check_tag(tag: Annotated[str, typer.Argument(help="Such as v0.2.0.")]) -> None:
    """Refuse a tag that is not this tree's version."""
    citation = yaml.safe_load(Path("CITATION.cff").read_text(encoding="utf-8"))
    changelog = Path("CHANGELOG.md").read_text(encoding="utf-8")
    _end(tag_complaints(tag, somanet.__version__, changelog, citation), f"{tag} is this tree's version.")


@app.command("files")
def check_files(files: Annotated[list[Path], typer.Argument(help="One wheel and one source distribution.")]) -> None:
    """Refuse distributions with other files than those in git."""
    listed = subprocess.run(["git", "ls-files", "-z"], capture_output=True, encoding="utf-8", check=False)
    if listed.returncode:
        raise SomaNetError("git cannot list the files of this folder. Run it in the root of a checkout.")
    tracked = [name for name in listed.stdout.split("\0") if name]
    complaints, kinds = [], []
    for file in files:
        if file.suffix == ".whl":
            with zipfile.ZipFile(file) as wheel:
                complaints += wheel_complaints(wheel.namelist(), tracked, somanet.__version__)
        elif file.name.endswith(".tar.gz"):
            with tarfile.open(file) as source:
                names = [member.name for member in source.getmembers() if not member.isdir()]
            complaints += source_complaints(names, tracked, somanet.__version__)
        else:
            raise SomaNetError(
                f"{file} is no distribution; expected a wheel (.whl) and a source distribution (.tar.gz)."
            )
        kinds.append(file.suffix)
    if sorted(kinds) != [".gz", ".whl"]:
        raise SomaNetError(f"{len(files)} files; expected one wheel and one source distribution. Empty dist/ first.")
    _end(complaints, "Both distributions have the files that are in git.")


def _end(complaints: Collection[str], good: str) -> None:
    for line in complaints:
        typer.echo(line)
    if complaints:
        raise SomaNetError(f"{len(complaints)} things are not ready for a release; see above.")
    typer.echo(good)


if __name__ == "__main__":
    run(app)
