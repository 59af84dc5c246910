"""Nothing in the code that Windows or macOS cannot do: encodings, line ends, POSIX-only calls, names of files.

Nothing here runs on these systems; CI's jobs do (docs/ci.md). Each rule is a function that returns complaints, so that
the tests can also show each rule failing.
"""

from __future__ import annotations

import ast
import subprocess
import unicodedata
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = [path for folder in ("somanet", "pipelines", "tools") for path in sorted((ROOT / folder).rglob("*.py"))]

# Of the standard library's modules and names, those that Windows lacks (docs.python.org: "Availability: Unix").
POSIX_MODULES = {
    "crypt",
    "curses",
    "fcntl",
    "grp",
    "posix",
    "pty",
    "pwd",
    "readline",
    "resource",
    "syslog",
    "termios",
    "tty",
}
POSIX_NAMES = {
    "os": {
        *(
            "O_DIRECTORY",
            "O_NOFOLLOW",
            "O_NONBLOCK",
            "chown",
            "fchmod",
            "fchown",
            "fork",
            "forkpty",
            "fstatvfs",
            "getegid",
        ),
        *(
            "geteuid",
            "getgid",
            "getgroups",
            "getloadavg",
            "getpgid",
            "getpriority",
            "getsid",
            "getuid",
            "killpg",
            "lchown",
        ),
        *(
            "mkfifo",
            "mknod",
            "nice",
            "pipe2",
            "sched_getaffinity",
            "sched_setaffinity",
            "setpgid",
            "setpriority",
            "setsid",
        ),
        *("setuid", "statvfs", "sync", "sysconf", "uname", "wait3", "wait4", "waitid", "WIFSIGNALED", "WTERMSIG"),
    },
    "signal": {
        *("SIGALRM", "SIGHUP", "SIGKILL", "SIGPIPE", "SIGSTOP", "SIGUSR1", "SIGUSR2", "alarm", "pause", "setitimer"),
        "sigwait",
    },
}
# Methods of Path that Windows' paths refuse, before Python 3.12 or always.
POSIX_METHODS = {"is_mount", "owner", "group", "lchmod"}
DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))}


def parents_of(tree: ast.AST) -> dict[ast.AST, ast.AST]:
    return {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}


def constant(node: ast.AST | None) -> object:
    return node.value if isinstance(node, ast.Constant) else None


def open_mode(call: ast.Call, name: str) -> str:
    """The mode of an `open` of files, `r` if it names none; empty for an `open` of something else."""
    if isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value) in ("av", "tarfile", "zarr"):
        return ""
    method = isinstance(call.func, ast.Attribute) and name == "open"
    named = next((keyword.value for keyword in call.keywords if keyword.arg == "mode"), None)
    at = 0 if method else 1
    given = constant(named or (call.args[at] if len(call.args) > at else None))
    if given is None and not method:
        return "r"
    return given if isinstance(given, str) and given and set(given) <= set("rwaxbt+") else ""


def text_complaints(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Text whose encoding, or on writing whose line ends, would be those of the system."""
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call):
            continue
        method = isinstance(call.func, ast.Attribute)
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        given = {keyword.arg for keyword in call.keywords}
        if (
            name in ("run", "Popen", "check_output")
            and {"text", "universal_newlines"} & given
            and "encoding" not in given
        ):
            yield call.lineno, "the output of a program as text without `encoding`"
        elif (
            name in ("read_text", "write_text")
            and method
            and "encoding" not in given
            and len(call.args) != 1 - (name[0] == "r")
        ):
            pass  # of something else, such as a distribution's metadata
        elif name in ("read_text", "write_text") and method:
            if "encoding" not in given:
                yield call.lineno, f"`{name}` without `encoding`"
            elif name == "write_text" and "newline" not in given:
                yield call.lineno, "`write_text` without `newline`"
        elif name in ("open", "fdopen") and (mode := open_mode(call, name)) and "b" not in mode:
            if "encoding" not in given:
                yield call.lineno, f"`{name}` as text without `encoding`"
            elif set(mode) & set("wax") and "newline" not in given and "devnull" not in ast.unparse(call):
                yield call.lineno, f"`{name}` to write text without `newline`"
        elif name == "to_csv" and call.args and "lineterminator" not in given:
            yield call.lineno, "`to_csv` without `lineterminator`"


def posix_complaints(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """What Windows lacks, without a test for it around."""
    parents = parents_of(tree)

    def around(node: ast.AST) -> Iterator[ast.AST]:
        while (node := parents.get(node)) is not None:
            yield node

    def is_tested(node: ast.AST, name: str) -> bool:
        """Whether a test for the name or the system is around it: an `if`, the expression, or an early return."""
        words = (f"'{name}'", "os.name", "sys.platform")
        for one in around(node):
            tests = [one.test] if isinstance(one, ast.If | ast.IfExp | ast.While) else []
            tests += one.values if isinstance(one, ast.BoolOp) else []
            if isinstance(one, ast.FunctionDef):
                tests += [
                    line.test for line in one.body if isinstance(line, ast.If) and isinstance(line.body[-1], ast.Return)
                ]
            if any(word in ast.unparse(test) for test in tests for word in words):
                return True
        return False

    def may_fail(node: ast.AST) -> bool:
        """Whether an import is in a `try` that expects its failure, or in a `with suppress(ImportError)`."""
        for one in around(node):
            if isinstance(one, ast.Try) and any("ImportError" in ast.unparse(h.type) for h in one.handlers if h.type):
                return True
            if isinstance(one, ast.With) and any("ImportError" in ast.unparse(item) for item in one.items):
                return True
        return False

    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            for name in POSIX_MODULES & {name.partition(".")[0] for name in names}:
                if not may_fail(node):
                    yield node.lineno, f"`import {name}` outside a `try` for ImportError"
        elif isinstance(node, ast.Attribute):
            if isinstance(node.value, ast.Name) and node.attr in POSIX_NAMES.get(node.value.id, ()):
                if not is_tested(node, node.attr):
                    yield node.lineno, f"`{node.value.id}.{node.attr}` without a test for it"
            elif node.attr in POSIX_METHODS and isinstance(parents.get(node), ast.Call):
                yield node.lineno, f"`{node.attr}()`, which Windows' paths refuse"


def complaints_of(text: str) -> list[str]:
    tree = ast.parse(text)
    return [f"{line}: {words}" for line, words in sorted([*text_complaints(tree), *posix_complaints(tree)])]


def name_complaints(names: list[str]) -> list[str]:
    """Files of a checkout that Windows or macOS could not have beside each other."""
    found, seen = [], {}
    for name in names:
        for part in PurePosixPath(name).parts:
            if part.partition(".")[0].lower() in DEVICES:
                found.append(f"{name}: {part} is a device on Windows")
            if set(part) & set('\\:*?"<>|') or part[-1] in ". " or any(ord(character) < 32 for character in part):
                found.append(f"{name}: Windows allows no such name")
        same = unicodedata.normalize("NFC", name).casefold()
        if seen.setdefault(same, name) != name:
            found.append(f"{name}: the same as {seen[same]} where case or the code of accents does not count")
        if len(name) > 180:
            found.append(f"{name}: longer than Windows allows in a usual folder")
    return found


def tracked() -> list[str]:
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, encoding="utf-8", check=True)
    return [name for name in done.stdout.split("\0") if name]


def test_no_call_depends_on_the_system() -> None:
    found = {str(path.relative_to(ROOT)): complaints_of(path.read_text(encoding="utf-8")) for path in SOURCES}
    assert {name: complaints for name, complaints in found.items() if complaints} == {}


def test_the_files_can_lie_on_every_system() -> None:
    assert name_complaints(tracked()) == []


def test_git_leaves_the_bytes_alone() -> None:
    """Hashes of the code, and of results in git, would differ with the line ends of Windows."""
    asked = ["git", "check-attr", "text", "--", "somanet/__init__.py", "dvc.lock", "reports/comparison.json"]
    done = subprocess.run(asked, cwd=ROOT, capture_output=True, encoding="utf-8", check=True)
    assert [line.rpartition(": ")[2] for line in done.stdout.splitlines()] == ["unset"] * 3


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        ("path.read_text()", "without `encoding`"),
        ("path.write_text(a, newline='')", "without `encoding`"),
        ("path.write_text(a, encoding='utf-8')", "without `newline`"),
        ("open(a)", "as text without `encoding`"),
        ("open(a, 'w', encoding='utf-8')", "without `newline`"),
        ("path.open('a', encoding='utf-8')", "without `newline`"),
        ("os.fdopen(number, 'w', newline='')", "without `encoding`"),
        ("subprocess.run(a, text=True)", "without `encoding`"),
        ("table.to_csv(path)", "without `lineterminator`"),
        ("import fcntl", "outside a `try`"),
        ("import resource as r", "outside a `try`"),
        ("os.getuid()", "without a test"),
        ("if hasattr(os, 'getgid'):\n    os.getuid()", "without a test"),
        ("os.kill(pid, signal.SIGKILL)", "without a test"),
        ("path.is_mount()", "refuse"),
    ],
)
def test_each_rule_can_fail(code: str, complaint: str) -> None:
    [found] = complaints_of(code)
    assert complaint in found


@pytest.mark.parametrize(
    "code",
    [
        "path.read_text(encoding='utf-8')",
        "open(a, 'rb')",
        "open(a, encoding='utf-8')",
        "path.open('wb')",
        "open(os.devnull, 'w', encoding='utf-8')",
        "table.to_csv()",
        "try:\n    import fcntl\nexcept ImportError:\n    pass",
        "with suppress(ImportError):\n    import resource",
        "a = os.getuid() if hasattr(os, 'getuid') else 0",
        "a = hasattr(os, 'getuid') and os.getuid()",
        "def f():\n    if os.name != 'posix':\n        return\n    os.killpg(1, 2)",
        "getattr(os, 'O_NOFOLLOW', 0)",
        "getattr(signal, 'SIGKILL', signal.SIGTERM)",
    ],
)
def test_portable_code_passes(code: str) -> None:
    assert complaints_of(code) == []


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        (["docs/aux.md"], "device"),
        (["a/12:30.txt"], "no such name"),
        (["a/b ", "c"], "no such name"),
        (["a/Readme.md", "a/README.md"], "the same as"),
        (["é.txt", "e\u0301.txt"], "the same as"),
        (["a/" * 100 + "b"], "longer"),
    ],
)
def test_each_rule_of_names_can_fail(names: list[str], complaint: str) -> None:
    [found] = name_complaints(names)
    assert complaint in found
    assert name_complaints(["a/README.md", "b/readme.md", "com.txt.md", "console.py"]) == []
