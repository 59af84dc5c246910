"""Write the README with links that lead from anywhere to one version of the repository, for a package index.

python -m tools.docs_site --url https://github.com/OWNER/NAME --ref v1.0.0          # README.md itself, before a build
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from somanet.core.errors import SomaNetError
from somanet.core.files import write_text
from tools.command_line import run
from tools.docs_site.links import absolute

ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    """Read the README, lead its links to the repository's address, write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True, help="the repository's address, https://github.com/OWNER/NAME")
    parser.add_argument("--ref", required=True, help="tag, branch or commit that the links lead to")
    parser.add_argument("--output", type=Path, default=ROOT / "README.md", help="by default README.md itself")
    arguments = parser.parse_args()
    url = arguments.url.rstrip("/").removesuffix(".git")
    if not re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+", url):
        raise SomaNetError(
            f"'{arguments.url}' is no address of a repository on GitHub. Give --url https://github.com/OWNER/NAME."
        )
    if not re.fullmatch(r"[\w.][\w./-]*", arguments.ref):
        raise SomaNetError(f"'{arguments.ref}' is no name of a tag, branch or commit. Give for example --ref v1.0.0.")
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    write_text(arguments.output, absolute(text, url=url, ref=arguments.ref, root=ROOT))


if __name__ == "__main__":
    run(main)
