"""A process ends with its last acts: after everything else, only if that succeeded, and without delay."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from somanet.core.ending import end_with, last_act

SCRIPT = """
import atexit, sys
from somanet.core.ending import end_with, last_act
class Slow:
    def __del__(self):
        print("taken apart", flush=True)
kept = Slow()  # Python removes it after everything else
def main():
    last_act(lambda: print("last", flush=True))
    atexit.register(lambda: print("registered", flush=True))
    print("work")
    {end}
end_with(main)
"""


def end(how: str) -> tuple[int, list[str], str]:
    done = subprocess.run([sys.executable, "-c", SCRIPT.format(end=how)], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout.splitlines(), done.stderr


@pytest.mark.parametrize("how", ["pass", "sys.exit()", "sys.exit(0)"])
def test_the_last_act_of_a_success_comes_last(how: str) -> None:
    assert end(how) == (0, ["work", "registered", "last"], "")


@pytest.mark.parametrize("how", ["sys.exit('error: no')", "sys.exit(1)", "1 / 0"])
def test_a_failure_has_none_and_ends_as_python_does(how: str) -> None:
    status, printed, errors = end(how)
    assert status == 1
    assert printed == ["work", "registered", "taken apart"]
    assert ("error: no" in errors, "ZeroDivisionError" in errors) == ("no" in how, "/" in how)


def test_output_that_nobody_can_take_is_a_failure() -> None:
    script = SCRIPT.format(end="last_act(lambda: print('too late', file=sys.stderr))").replace(", flush=True", "")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with Path("/dev/full").open("w") as full:  # a disk without room
        done = subprocess.run(
            [sys.executable, "-c", script], env=environment, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (done.returncode, done.stderr) == (120, "")


def test_in_a_process_of_others_nothing_is_put_off() -> None:
    acts: list[str] = []
    with pytest.raises(SystemExit):
        end_with(lambda: sys.exit(1))  # a test of a command that fails
    last_act(lambda: acts.append("act"))
    assert acts == ["act"]


def test_warnings_of_libraries_at_the_exit_are_no_errors() -> None:
    """`python -W error` makes a traceback of each, after the work."""
    leave = "atexit.register(lambda: __import__('warnings').warn('late', DeprecationWarning))"
    script = SCRIPT.replace('    print("work")', f'    {leave}; print("work")')
    for how, status in (("pass", 0), ("sys.exit('error: no')", 1)):
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", script.format(end=how)], capture_output=True, text=True, check=False
        )
        assert done.returncode == status
        assert done.stderr.splitlines() == ["error: no"][:status]


INTERRUPTED = """
import runpy, signal, sys
class AtImport:
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[1]:
            signal.raise_signal(signal.SIGINT)
sys.meta_path.insert(0, AtImport())
runpy.run_module("somanet", run_name="__main__")
"""


@pytest.mark.parametrize("module", ["somanet.cli", "typer", "somanet.core.foreign"])
def test_ctrl_c_while_the_command_line_is_loaded_says_nothing(module: str) -> None:
    done = subprocess.run([sys.executable, "-c", INTERRUPTED, module], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
