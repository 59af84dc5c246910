"""The documentation as one site: every page has its place, begins with what matters, and leads where it says."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.test_readme import ROOT, commands, make_targets, problem_with, slug, somanet_arguments
from tools.docs_site.dialect import differences
from tools.docs_site.hooks import API_MARK, PAGES, api_names, moved, notebook, page_of
from tools.docs_site.links import absolute, is_local, relinked, targets, within

DOCS = ROOT / "docs"
SITE_PAGES = sorted(str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md"))
LONGEST_SECTION = 700
"""Words of prose below one heading, tables and code aside."""


class _Settings(yaml.SafeLoader):
    """Reads `mkdocs.yml` without calling the Python functions that it names."""


_Settings.add_multi_constructor("tag:yaml.org,2002:python/", lambda *_: None)


def settings() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"), Loader=_Settings)
    return loaded


def navigated(entries: Any) -> Iterator[str]:
    """The pages of a part of the navigation."""
    if isinstance(entries, str):
        yield entries
    else:
        for entry in entries.values() if isinstance(entries, dict) else entries:
            yield from navigated(entry)


def without_code(text: str) -> str:
    return re.sub(r"^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings; of equal ones the later have a number."""
    seen: Counter[str] = Counter()
    found = set()
    for heading in re.findall(r"^#+ (.+)$", without_code(text), flags=re.MULTILINE):
        name = slug(re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading))
        found.add(f"{name}-{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return found


def broken(path: Path, text: str) -> list[str]:
    """The local links of a page that lead to no file or heading."""
    missing = []
    for target in targets(text):
        if target.startswith("#"):
            file, anchor = path, target[1:]
        elif is_local(target):
            place, anchor = within(str(path.relative_to(ROOT)), target)
            file = ROOT / place
        else:
            continue
        if not file.exists() or (
            anchor
            and (
                file.suffix != ".md"
                or anchor not in anchors(text if file == path else file.read_text(encoding="utf-8"))
            )
        ):
            missing.append(target)
    return missing


def opening(text: str) -> str:
    """What stands between a page's title and its second section."""
    return re.split(r"^## ", without_code(text), flags=re.MULTILINE)[1].partition("\n")[2].strip()


# Every page has its place


def test_every_page_is_in_the_navigation_once() -> None:
    found = Counter(navigated(settings()["nav"]))
    generated = {page for path, page in PAGES.items() if path != "README.md"}
    assert found == Counter([*SITE_PAGES, *generated])


def test_the_pages_named_for_readers_are_there() -> None:
    titles = [title for entry in settings()["nav"] for title in entry]
    expected = [
        "Start",
        "Guide",
        "How it works",
        "Measurements",
        "API",
        "Glossary",
        "Gallery",
        "FAQ",
        "Related programs",
    ]
    assert [title for title in titles if title in expected] == expected


@pytest.mark.parametrize("page", SITE_PAGES)
def test_a_page_begins_with_what_matters(page: str) -> None:
    """Its title, then the section `In short`: a few lines, before anything else."""
    text = (DOCS / page).read_text(encoding="utf-8")
    title, gap, heading = text.split("\n", 3)[:3]
    assert re.fullmatch(r"# \S.*", title)
    assert (gap, heading) == ("", "## In short")
    assert 15 <= len(opening(text).split()) <= 150


@pytest.mark.parametrize("page", SITE_PAGES)
def test_no_section_is_endless(page: str) -> None:
    text = re.sub(r"^\|.*$", "", without_code((DOCS / page).read_text(encoding="utf-8")), flags=re.MULTILINE)
    lengths = {len(section.split()): section[:40] for section in re.split(r"^#+ ", text, flags=re.MULTILINE)}
    assert max(lengths) <= LONGEST_SECTION, lengths[max(lengths)]


@pytest.mark.parametrize(
    "page", [*(f"docs/{page}" for page in SITE_PAGES), "README.md", "CONTRIBUTING.md", "CHANGELOG.md"]
)
def test_links_lead_to_files_and_headings(page: str) -> None:
    path = ROOT / page
    assert broken(path, path.read_text(encoding="utf-8")) == []


def test_a_broken_link_is_noticed() -> None:
    path = DOCS / "start" / "biologist.md"
    links = "[x](#a-b) [x](#c) [x](../faq.md#in-short) [x](../faq.md#no) [x](no.md) ![x](../images/no.png)"
    text = f"# T\n\n## A b\n\n{links}\n"
    assert broken(path, text) == ["#c", "../faq.md#no", "no.md", "../images/no.png"]


def test_every_picture_is_shown_somewhere() -> None:
    named = {
        within(f"docs/{page}", target)[0]
        for page in SITE_PAGES
        for target in targets((DOCS / page).read_text(encoding="utf-8"))
    }
    pictures = {str(path.relative_to(ROOT)) for path in (DOCS / "images").rglob("*.png")}
    assert pictures - named == set()


def test_every_picture_of_the_gallery_has_its_command() -> None:
    """A picture, and below it one block: commands that exist."""
    text = (DOCS / "gallery.md").read_text(encoding="utf-8")
    sections = re.split(r"^## ", text, flags=re.MULTILINE)[2:]
    assert len(sections) >= 10
    for section in sections:
        assert len(re.findall(r"^!\[.+\]\(.+\.png\)$", section, flags=re.MULTILINE)) == 1, section[:40]
        [block] = re.findall(r"^```bash\n.*?^```", section, flags=re.MULTILINE | re.DOTALL)
        typed = commands(f"{block}\n")
        assert typed, section[:40]
        for command in typed:
            words = command.split()
            if arguments := somanet_arguments(command):
                assert problem_with(arguments) is None, command
            elif words[0] == "make":
                assert words[1] in make_targets(), command
            else:
                assert words[0] == "python", command
                module = words[2].replace(".", "/") if words[1] == "-m" else words[1].removesuffix(".py")
                assert (ROOT / f"{module}.py").is_file() or (ROOT / module / "__main__.py").is_file(), command


# The FAQ quotes the program


@cache
def literals() -> tuple[str, ...]:
    """The texts in the code, of each whole literal; what is put in when it runs is a null character."""
    found = []
    for folder in ("somanet", "pipelines"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found.append(node.value)
                elif isinstance(node, ast.JoinedStr):
                    parts = [part.value if isinstance(part, ast.Constant) else "\0" for part in node.values]
                    found.append("".join(map(str, parts)))
    return tuple(found)


def is_said(line: str) -> bool:
    """Whether the code has each part of a quoted line, parts being what stands between two `…`, or before a colon."""
    parts = [part.strip(" ,") for part in re.split("…|(?<=here): ", line.removeprefix("error: "))]
    known = [part for part in parts if len(part) > 3]
    assert any(len(part) > 20 for part in known), line
    return all(any(part in text for text in literals()) for part in known)


def quoted() -> list[str]:
    text = (DOCS / "faq.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```text\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def test_the_faq_quotes_enough() -> None:
    assert len(quoted()) >= 15


@pytest.mark.parametrize("line", quoted())
def test_the_program_says_what_the_faq_quotes(line: str) -> None:
    assert is_said(line)


def test_a_line_that_nobody_says_is_noticed() -> None:
    assert not is_said("error: … expected a movie of at least three elephants, found …")


def test_the_commands_of_the_faq_are_accepted() -> None:
    given = {line: somanet_arguments(line) for line in commands((DOCS / "faq.md").read_text(encoding="utf-8"))}
    assert sum(bool(words) for words in given.values()) >= 8
    assert {line: problem_with(words) for line, words in given.items() if words and problem_with(words)} == {}


# What the site adds


def test_links_out_of_the_pages_lead_to_pages_of_those_files() -> None:
    assert page_of("CHANGELOG.md") == "changelog.md"
    assert page_of("somanet/core/schema.py") == "source/somanet/core/schema.py.md"
    assert moved("../somanet/core/schema.py", "docs/glossary.md", "glossary.md") == "source/somanet/core/schema.py.md"
    assert moved("../../CONTRIBUTING.md#set-up", "docs/start/a.md", "start/a.md") == "../contributing.md#set-up"
    assert moved("docs/week.md", "CONTRIBUTING.md", "contributing.md") == "week.md"
    assert moved("docs/numbers.yaml", "CONTRIBUTING.md", "contributing.md") == "source/docs/numbers.yaml.md"
    assert moved("recipe.yaml", "somanet/model/README.md", page_of("somanet/model/README.md")) == "recipe.yaml.md"
    assert moved("https://example.org/a", "docs/a.md", "a.md") == "https://example.org/a"


def test_a_notebook_is_shown_with_what_it_printed() -> None:
    cells = [
        {"cell_type": "markdown", "source": ["# Title\n", "text"]},
        {"cell_type": "code", "source": ["1 + 1"], "outputs": [{"data": {"text/plain": ["2"]}}]},
        {"cell_type": "code", "source": ["draw()"], "outputs": [{"data": {"image/png": "QQ==\n", "text/plain": "x"}}]},
    ]
    shown = notebook(json.dumps({"cells": cells}), "a.ipynb")
    assert shown.startswith("# Title\ntext\n\n*The notebook `a.ipynb`")
    assert "````python\n1 + 1\n````\n\n````text\n2\n````\n" in shown
    assert 'src="data:image/png;base64,QQ=="' in shown
    assert "x\n````" not in shown


def test_links_in_code_stay() -> None:
    text = "[a](b.md)\n\n```\n[a](b.md)\n```\n\n1. x\n\n   ```\n   [a](b.md)\n   ```\n"
    assert relinked(text, lambda _: "c.md").count("c.md") == 1
    assert targets(text) == ["b.md"]


def test_the_readme_of_a_package_index_leads_to_one_version(tmp_path: Path) -> None:
    text = "![p](docs/images/strip.png) [a](docs/faq.md#in-short) [d](docs) [t](#more) [w](https://example.org)"
    url = "https://github.com/OWNER/NAME"
    assert absolute(text, url=url, ref="v1.0.0", root=ROOT).split() == [
        "![p](https://raw.githubusercontent.com/OWNER/NAME/v1.0.0/docs/images/strip.png)",
        f"[a]({url}/blob/v1.0.0/docs/faq.md#in-short)",
        f"[d]({url}/tree/v1.0.0/docs)",
        "[t](#more)",
        "[w](https://example.org)",
    ]
    output = tmp_path / "README.md"
    command = [sys.executable, "-m", "tools.docs_site", "--ref", "v1.0.0", "--output", str(output), "--url"]
    subprocess.run([*command, f"{url}.git"], cwd=ROOT, check=True)
    assert [target for target in targets(output.read_text(encoding="utf-8")) if is_local(target)] == []
    done = subprocess.run([*command, "ftp://x"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: 'ftp://x' is no address of a repository on GitHub.")


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 120


def test_a_page_that_only_github_understands_is_noticed() -> None:
    """Python's Markdown takes a list right below a line for more of that line."""
    markdown = "A line:\n- one\n- two\n"
    assert differences(markdown, "<p>A line:\n- one\n- two</p>") == ["0 <li> instead of 2", "0 <ul> instead of 1"]
    assert differences(markdown, "<p>A line:</p>\n<ul>\n<li>one</li><li>two</li></ul>") == []


def test_the_page_of_the_interface_has_what_the_package_offers() -> None:
    import somanet

    assert API_MARK in (DOCS / "api.md").read_text(encoding="utf-8")
    names = api_names()
    assert set(names) == set(getattr(somanet, "__all__", ()))
    for name, home in names.items():
        assert getattr(somanet, name).__name__ == home.rpartition(".")[2]


def test_the_site_fetches_nothing() -> None:
    theme = settings()["theme"]
    assert theme["font"] is False
    assert all(not str(script).startswith("http") for script in settings()["extra"]["polyfills"])
    extra = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert any(line.startswith("mkdocs-material") for line in extra["docs"])


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    """Where MkDocs is installed; CI runs `make docs`."""
    pytest.importorskip("mkdocs")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site/search/search_index.js").is_file()
    for page in SITE_PAGES:
        assert (tmp_path / "site" / page).with_suffix(".html").is_file()
