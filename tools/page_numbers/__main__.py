"""`make page-numbers`: are the numbers on the pages those of the files that made them?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from somanet.core.errors import SomaNetError
from somanet.core.files import write_text
from tools.command_line import run
from tools.page_numbers.checking import LIST, check, mended, read_list
from tools.page_numbers.named import complaints
from tools.page_numbers.pages import share_checked
from tools.page_numbers.tables import differing_rows

app = typer.Typer(name="tools.page_numbers", pretty_exceptions_enable=False)


def pages_of(root: Path) -> list[Path]:
    """All pages for users and contributors."""
    found = [
        *root.glob("*.md"),
        *(root / "docs").rglob("*.md"),
        *(root / "somanet").rglob("*.md"),
        *(root / "examples").rglob("*.md"),
    ]
    return sorted(path for path in found if path.name != "CHANGELOG.md")


def named_complaints(root: Path) -> list[str]:
    """Targets and options on all pages that do not exist."""
    foreign: Mapping[str, str] = read_list(root)["foreign_options"]
    return [
        line
        for path in pages_of(root)
        for line in complaints(path.relative_to(root).as_posix(), path.read_text(encoding="utf-8"), root, foreign)
    ]


def table_complaints(root: Path) -> list[str]:
    """Tables on pages that differ from those of the files that they repeat."""
    tables: Mapping[str, str] = read_list(root)["tables"]
    return [
        line
        for page, source in tables.items()
        for line in differing_rows(page, _text(root, page), source, _text(root, source))
    ]


def _text(root: Path, name: str) -> str:
    try:
        return (root / name).read_text(encoding="utf-8")
    except OSError:
        raise SomaNetError(f"{name}: no such page. Was it moved? Correct {LIST}.") from None


@app.command()
def main(
    mend: Annotated[
        bool, typer.Option("--mend", help="Write the right numbers into the pages, with as many digits.")
    ] = False,
    coverage: Annotated[
        bool, typer.Option("--coverage", help="Say how many numbers of each page are checked.")
    ] = False,
) -> None:
    """Compare the numbers of docs/numbers.yaml with their sources and among pages; find what no command has."""
    root = Path.cwd()
    if not (root / LIST).is_file():
        raise SomaNetError(f"{LIST}: no such file here. Run it in the root of a checkout.")
    found = check(root)
    lines = [*map(str, found.differences), *found.problems, *table_complaints(root), *named_complaints(root)]
    if mend:
        for page in found.pages.values():
            text = mended(page, found.differences)
            if text != page.raw:
                write_text(root / page.name, text, updates=True)
                typer.echo(f"{page.name}: mended")
    for line in lines:
        typer.echo(line)
    for name, reason in found.known.items():
        typer.echo(f"known to differ: {name}: {reason}")
    if coverage:
        for page in found.pages.values():
            checked, total = share_checked(page, found.places)
            typer.echo(f"{page.name}: {checked} of {total} numbers are checked")
    if lines:
        raise SomaNetError(f"{len(lines)} numbers, targets or options on pages are not right; see above.")
    typer.echo(
        f"{found.n_quantities} quantities at {len(found.places)} places agree, {found.n_sourced} of them with what "
        "made them; all targets and options on pages exist."
    )


if __name__ == "__main__":
    run(app)
