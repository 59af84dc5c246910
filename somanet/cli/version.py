"""The version of the running SomaNet in one line."""

from __future__ import annotations

import platform

import somanet
from somanet.core.installation import CODE
from somanet.provenance.code import collect


def version_line() -> str:
    """Version, the commit where the code runs from its repository, and the Python it runs with.

    A package in `site-packages` has no commit of its own: a repository around it is another program's.
    """
    about = [f"Python {platform.python_version()}"]
    if (CODE / ".git").exists():
        code = collect(CODE)
        if code.git_commit:
            about.insert(0, f"commit {code.git_commit[:12]}{' with uncommitted changes' if code.git_dirty else ''}")
    return f"somanet {somanet.__version__} ({', '.join(about)})"
