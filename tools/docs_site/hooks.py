"""What the site has beyond Markdown: files of the repository as pages, the API's names, and its own checks.

MkDocs calls these functions (``hooks`` in ``mkdocs.yml``). A warning fails the build, as it is strict.
"""

from __future__ import annotations

import ast
import json
import logging
import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING

from tools.docs_site.dialect import differences
from tools.docs_site.links import is_local, relinked, targets, within

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
PAGES = {"CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md", "README.md": "index.md"}
"""Files of the repository that have a page of their own: path → page. The README's is the site's own first page."""
API_MARK = "<!-- the names of somanet -->"
_ROLE = re.compile(r":(?:attr|class|data|func|meth|mod):<code>~?([\w.]+)</code>")
_FETCHED = re.compile(r"""(?:<(?:script|img|iframe|link)\b[^>]*?\s(?:src|href)=|url\()["']?(https?://[^"')\s>]+)""")

log = logging.getLogger("mkdocs.hooks.docs_site")


def in_site(path: str) -> bool:
    """Whether the site has a file of the repository as it is: all of docs/ but what `exclude_docs` leaves out."""
    return path.startswith("docs/") and not path.endswith(".yaml")


def page_of(path: str) -> str:
    """The page that shows a file of the repository which the site does not have as it is."""
    return PAGES.get(path, f"source/{path}" + ("" if path.endswith(".md") else ".md"))


def shown(path: str) -> str:
    """A file of the repository as a page: Markdown and notebooks, their links led to the site's pages, or as code."""
    text = (ROOT / path).read_text(encoding="utf-8")
    if path.endswith(".ipynb"):
        text = notebook(text, path)
    elif not path.endswith(".md"):
        language = {".py": "python", ".yaml": "yaml"}.get(Path(path).suffix, "text")
        return f"# {path}\n\n````{language}\n{text.rstrip()}\n````\n"
    return relinked(text, lambda target: moved(target, path, page_of(path)))


def notebook(text: str, path: str) -> str:
    """An executed notebook as a page: its text, its code, and below each what it printed and drew."""
    parts = [f"*The notebook `{path}`, as it was executed.*"]
    for cell in json.loads(text)["cells"]:
        source = "".join(cell["source"])
        parts.append(source if cell["cell_type"] == "markdown" else f"````python\n{source}\n````")
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            if "image/png" in data:
                encoded = "".join(data["image/png"]).replace("\n", "")
                parts.append(f'<img alt="What the code above draws" src="data:image/png;base64,{encoded}">')
            elif printed := "".join(output.get("text", data.get("text/plain", ()))).rstrip():
                parts.append(f"````text\n{printed}\n````")
    title = next((part for part in parts if part.startswith("# ")), f"# {path}")
    return "\n\n".join([title, *(part for part in parts if part != title)]) + "\n"


def moved(target: str, source: str, page: str) -> str:
    """A link of a file of the repository, as it must be on the file's page."""
    if not is_local(target):
        return target
    path, anchor = within(source, target)
    place = path.removeprefix("docs/") if in_site(path) else page_of(path)
    return posixpath.relpath(place, posixpath.dirname(page) or ".") + (f"#{anchor}" if anchor else "")


def api_names() -> dict[str, str]:
    """What ``import somanet`` offers: name → where it is defined, from the package's stub, functions first.

    A stub names what it offers by ``from somanet.room.module import name as name``.
    """
    stub = ROOT / "somanet/__init__.pyi"
    if not stub.is_file():
        return {}
    offered = {
        alias.asname: f"{node.module}.{alias.name}"
        for node in ast.parse(stub.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname
    }
    return dict(sorted(offered.items(), key=lambda item: (item[0][0].isupper(), item[0])))


def described(name: str, home: str) -> str:
    """The lines by which mkdocstrings shows one name of the package under its short name."""
    return f"::: {home}\n    options:\n      heading: somanet.{name}\n      toc_label: {name}"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files of the repository that pages link to, and those they link to in turn."""
    from mkdocs.structure.files import File, InclusionLevel

    waiting = [("CHANGELOG.md", "CHANGELOG.md"), ("CONTRIBUTING.md", "CONTRIBUTING.md")]
    waiting += [
        (path, f"docs/{file.src_uri}")
        for file in files.documentation_pages()
        for path in _outside(f"docs/{file.src_uri}", file.content_string)
    ]
    added: set[str] = set()
    while waiting:
        path, named_by = waiting.pop()
        page = page_of(path)
        if page in added or page == "index.md":
            continue
        if not (ROOT / path).is_file():
            log.warning("%s links to %s, which is no file of the repository.", named_by, path)
            continue
        added.add(page)
        content = shown(path)
        level = InclusionLevel.INCLUDED if path in PAGES else InclusionLevel.NOT_IN_NAV
        files.append(File.generated(config, page, content=content, inclusion=level))
        if path.endswith((".md", ".ipynb")):
            waiting += [(other, path) for other in _outside(path, (ROOT / path).read_text(encoding="utf-8"))]
    return files


def _outside(source: str, text: str) -> list[str]:
    """The files of the repository that a text links to and the site does not have as they are."""
    found = [within(source, target)[0] for target in targets(text) if is_local(target)]
    return sorted({path for path in found if not in_site(path)})


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead links out of docs/ to the pages of those files, and fill the page of the API."""
    source = page.file.src_uri
    if page.file.abs_src_path is not None:  # a page of docs/, none that was made above
        markdown = relinked(markdown, lambda target: moved(target, f"docs/{source}", source))
    if API_MARK not in markdown:
        return markdown
    names = api_names()
    if not names:
        log.warning("somanet/__init__.pyi offers no names: the page of the API would be empty.")
    return markdown.replace(API_MARK, "\n\n".join(described(name, home) for name, home in names.items()))


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Show cross-references of docstrings as code, and compare the page with what GitHub makes of it."""
    if API_MARK not in (page.file.content_string or ""):
        for found in differences(page.markdown or "", html):
            log.warning("%s is not read as on GitHub: %s.", page.file.src_uri, found)
    return _ROLE.sub(lambda role: f"<code>{role[1].rpartition('.')[2]}</code>", html)


def on_post_build(config: MkDocsConfig) -> None:
    """Warn of whatever a reader's browser would fetch from another place."""
    site = Path(config.site_dir)
    for path in sorted([*site.rglob("*.html"), *site.rglob("*.css")]):
        for address in _FETCHED.findall(path.read_text(encoding="utf-8")):
            log.warning("%s fetches %s.", path.relative_to(site), address)
