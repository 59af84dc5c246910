"""Broken and hostile inputs: 40 of a fixed seed, and one for each kind of fault that there was once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from somanet.io.images import encode_png
from tests.robustness import mutators, recipes, runner
from tests.robustness.__main__ import collect
from tests.robustness.campaign import Verdict
from tests.robustness.commands import COMMANDS
from tests.robustness.judging import Fault, culprit
from tests.robustness.mutators import Unfit
from tests.robustness.recipes import Recipe
from tests.robustness.runner import Ended

ROOT = Path(__file__).resolve().parents[2]
CASES = Path(__file__).with_name("cases.txt")
SEED = 16
COUNT = 15
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the runner reads /proc")


def python(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    variables = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, *arguments], cwd=cwd, env=variables, capture_output=True, text=True)


def test_mutated_inputs_end_in_a_result_or_in_one_line(tmp_path: Path) -> None:
    """One process imports everything and makes the inputs; each command is a fork of it."""
    ended = python(
        *("-m", "tests.robustness", "--seed", str(SEED), "--count", str(COUNT), "--recipes", str(CASES)),
        *("--jobs", str(min(2, os.cpu_count() or 1)), "--folder", str(tmp_path / "runs")),
        *("--json", str(tmp_path / "verdicts.json")),
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    verdicts = json.loads((tmp_path / "verdicts.json").read_text(encoding="utf-8"))
    assert len(verdicts) == COUNT + len(cases())
    assert {0, 1} <= {one["code"] for one in verdicts}  # neither refuses everything nor accepts everything


@pytest.mark.parametrize(("number", "status"), [(None, 0), (signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_totals_appear_as_it_runs_and_when_it_is_stopped(
    number: signal.Signals | None, status: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of 250 inputs, of which every tenth hangs; the signal arrives after the 130th."""
    ended = Ended(0, 0, "", 1.0, 0, False, "", "")
    left = []

    def run() -> Iterator[Verdict]:
        try:
            for i in range(250):
                if number is not None and i == 130:
                    signal.raise_signal(number)
                faults = () if i % 10 else (Fault("hang", "20 s"),)
                yield Verdict(Recipe("doctor", {}, ()), ended, faults, tmp_path, "")
        finally:
            left.append("closed")

    verdicts, stopped = collect(run(), 250, time.monotonic())
    lines = capsys.readouterr().out.splitlines()
    count, hangs = (250, 25) if number is None else (130, 13)
    assert (len(verdicts), stopped, left) == (count, status, ["closed"])
    assert [line.split()[0] for line in lines if "exit status" in line] == (
        ["100", "200", "250"] if number is None else ["100", "130"]
    )
    assert lines[-1].startswith(f"{count} inputs")
    assert f"{hangs} hang" in lines[-1]
    assert (f"stopped after {count} of 250 inputs" in lines) == (number is not None)


def cases() -> list[str]:
    lines = CASES.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_every_named_case_is_a_recipe() -> None:
    for line in cases():
        assert str(recipes.parse(line)) == line


WORLD = """
import json, os, sys, time
from pathlib import Path
from tests.robustness.judging import judge, state
from tests.robustness.runner import Limits, run

folder = Path(sys.argv[1]) / "work"
for name in ("in", "out", "home", "tmp"):
    (folder / name).mkdir(parents=True)
(folder / "in" / "a.txt").write_text("input")
(folder / "out" / "old.txt").write_text("old")

def states():
    return state(folder, skip=lambda name: name.split(os.sep)[0] == "out"), state(folder / "out")

def fail(*lines):
    sys.exit("\\n".join(lines))

def work():
    {work}

before = states()
limits = Limits(seconds=1.0, memory_bytes=1 << 28, address_bytes=1 << 30, files=64, file_bytes=1 << 20)
ended = run(work, folder, folder.parent / "records", limits, home=folder)
faults = judge(ended, before=before, after=states(), reports=False, usage_allowed=False)
print(json.dumps([(one.kind, one.where) for one in faults]))
"""


def faults_of(work: str, folder: Path) -> list[list[str]]:
    """What the judge finds in a process that does that."""
    ended = python("-c", WORLD.replace("{work}", textwrap.indent(textwrap.dedent(work), "    ").strip()), str(folder))
    assert ended.returncode == 0, ended.stderr
    found: list[list[str]] = json.loads(ended.stdout)
    return found


@pytest.mark.parametrize(
    "work",
    [
        "pass",
        "Path('out/new.txt').write_text('result')",
        "print('error: wrong', file=sys.stderr); sys.exit(1)",
        "fail('error: expected this, found that.')",
        "print('note: by the way', file=sys.stderr); fail('error: wrong')",
        "open('in/a.txt').read()",
    ],
)
def test_what_may_happen_is_no_fault(work: str, tmp_path: Path) -> None:
    assert faults_of(work, tmp_path) == []


@pytest.mark.parametrize(
    ("work", "kind"),
    [
        ("raise KeyError('x')", "traceback"),
        ("import threading; threading.Thread(target=lambda: 1 / 0).start()", "traceback"),
        ("while True: pass", "hang"),
        ("time.sleep(60)", "hang"),
        ("os.mkfifo('tmp/f'); open('tmp/f').read()", "hang"),
        ("x = b'1' * (1 << 29); time.sleep(30)", "memory"),
        ("x = b'1' * (1 << 29)", "memory"),
        ("x = bytes(1 << 33)", "traceback"),
        ("os.kill(os.getpid(), 11)", "crash"),
        ("open('in/a.txt', 'a').write('x')", "inputs"),
        ("os.utime('in/a.txt', (0, 0))", "inputs"),
        ("os.chmod('in/a.txt', 0o600)", "inputs"),
        ("os.remove('in/a.txt')", "inputs"),
        ("Path('in/b.txt').write_text('x')", "outside"),
        ("Path('tmp/left').write_text('x')", "outside"),
        ("Path('x').symlink_to('in')", "outside"),
        ("Path('out/x').write_text(''); fail('error: no')", "partial"),
        ("os.remove('out/old.txt'); fail('error: no')", "partial"),
        ("Path('out/.x.1a2b3c-12-34.part').mkdir()", "partial"),
        ("fail('error: no', 'and more')", "lines"),
        ("fail('no')", "lines"),
        ("fail('error: no', 'error: and no')", "lines"),
        ("import warnings; warnings.warn('deep inside')", "chatter"),
        ("sys.exit(3)", "status"),
        ("if os.fork() == 0: time.sleep(60)", "processes"),
        ("files = [open('in/a.txt') for _ in range(100)]", "traceback"),
        ("os.chmod('in/a.txt', 0); open('in/a.txt')", "traceback"),
        ("open('out/big', 'wb').write(bytes(1 << 21))", "traceback"),
    ],
)
def test_each_check_can_fail(work: str, kind: str, tmp_path: Path) -> None:
    assert kind in [fault[0] for fault in faults_of(work, tmp_path)]


def test_memory_of_what_a_command_has_started_counts() -> None:
    code = "x = b'1' * (1 << 28); print('held', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=-1, stdout=-1, stderr=subprocess.DEVNULL) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"held\n"
        assert child.pid in runner._descendants(os.getpid())
        assert 1 << 28 <= runner._private_bytes(child.pid) < 1 << 29


def test_the_culprit_is_somanet_s_deepest_function() -> None:
    text = """Traceback (most recent call last):
  File "/x/somanet/cli/data.py", line 3, in check
  File "/x/somanet/io/images.py", line 5, in read_image
  File "/y/lib/tifffile/tifffile.py", line 9, in __init__
struct.error: unpack requires a buffer of 4 bytes"""
    assert culprit(text) == "struct.error in somanet/io/images.py:read_image"


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few of the kinds, enough to draw changes from."""
    folder = tmp_path_factory.mktemp("seeds")
    kinds = {kind for command in COMMANDS.values() for choices in command.slots.values() for kind in choices}
    for kind in kinds:
        (folder / kind).mkdir()
        (folder / kind / "a.json").write_text('{"shape": [3, 4, 5], "name": "x"}', encoding="utf-8")
    return folder


def test_a_number_gives_the_same_recipe_and_another_another(seeds: Path) -> None:
    drawn = [recipes.draw(1, index, seeds) for index in range(300)]
    assert drawn == [recipes.draw(1, index, seeds) for index in range(300)]
    assert len(set(map(str, drawn))) > 290
    assert {recipe.command for recipe in [*drawn, *(recipes.draw(5, i, seeds) for i in range(300))]} == set(COMMANDS)
    assert drawn != [recipes.draw(2, index, seeds) for index in range(300)]


def test_recipes_of_some_commands_only(seeds: Path) -> None:
    chosen = [name for name in COMMANDS if name.startswith(("label", "correct"))]
    assert {recipes.draw(1, index, seeds, chosen).command for index in range(80)} == set(chosen)


def test_a_recipe_is_its_text(seeds: Path) -> None:
    for index in range(100):
        recipe = recipes.draw(3, index, seeds)
        assert recipes.parse(str(recipe)) == recipe
    with pytest.raises(ValueError, match="not a recipe"):
        recipes.parse("somanet predict x")


@pytest.mark.parametrize("first", ["fifo", "device", "loop", "dangling", "folder", "remove", "sparse"])
def test_a_second_change_neither_waits_nor_fails(first: str, tmp_path: Path) -> None:
    """Of a pipe it would wait for ever, of a device read for ever."""
    for second in sorted(mutators.ALL):
        path = tmp_path / second / "a.json"
        path.parent.mkdir()
        path.write_text('{"shape": [3]}', encoding="utf-8")
        for mutator in (first, second) if first != "sparse" else (second, first):
            path = recipes.apply(recipes.Change("data", "", mutator, 7), path)


def test_a_second_change_reads_no_gigabytes(tmp_path: Path) -> None:
    """Into the process from which all commands are forked: it would end, and with it the campaign."""
    path = tmp_path / "a.png"
    path.write_bytes(encode_png(np.zeros((8, 8), np.uint8), "a.png"))
    recipes.apply(recipes.Change("data", "", "sparse", 7), path)
    before = path.stat()
    for mutator in sorted(mutators.ALL):
        assert recipes.apply(recipes.Change("data", "", mutator, 7), path) == path
    assert path.stat() == before


@pytest.mark.parametrize("name", sorted(mutators.ALL))
def test_a_mutator_changes_its_input_and_is_decided_by_its_number(
    name: str, tmp_path: Path, valid: dict[str, Any]
) -> None:
    """On the first file that it fits, of 10 numbers nearly all give another file, the same each time."""
    changed = fitted = 0
    for number in range(10):
        results = []
        for attempt in "ab":
            root = tmp_path / f"{number}{attempt}"
            place = write_valid(valid, root)
            fit = [path for path in place if any(name in group for group in mutators.fitting(path))]
            for path in fit:
                before = told(root)
                try:
                    mutators.ALL[name](path, Random(number))
                except Unfit:
                    continue
                results.append(told(root))
                changed += results[-1] != before
                fitted += 1
                break
        assert len(set(results)) <= 1
    assert fitted == 20
    assert changed > 10


@pytest.fixture(scope="module")
def valid() -> dict[str, Any]:
    """Contents by file name."""
    import io
    import zipfile

    import imagecodecs
    import numpy as np
    import tifffile
    from safetensors.numpy import save

    image = np.arange(12 * 7, dtype=np.uint8).reshape(12, 7)
    tiff, archive = io.BytesIO(), io.BytesIO()
    tifffile.imwrite(tiff, np.stack([image] * 3), imagej=True, metadata={"axes": "TYX"})
    with zipfile.ZipFile(archive, "w") as entries:
        entries.writestr(zipfile.ZipInfo("a/images/a.png"), imagecodecs.png_encode(image))
        entries.writestr(zipfile.ZipInfo("b/images/b.png"), imagecodecs.png_encode(image))
    return {
        "a.png": imagecodecs.png_encode(image), "a.jpg": imagecodecs.jpeg8_encode(image), "a.tif": tiff.getvalue(),
        "a.zip": archive.getvalue(), "a.json": b'{"a": [1, {"b": "c"}], "d": 2.5}',
        "a.yaml": b"a: 1\nb:\n  c: [x, y]\n  d: text\n",
        "a.csv": b"track,frame,y_px,x_px\n1,0,1.5,2\n1,1,2,3\n2,0,5,6\n", "a.safetensors": save({"w": np.ones((3, 2),
        np.float32)}),
        "a.xml": b'<?xml version="1.0"?><TrackMate version="7"><Spot name="a" FRAME="1"/><Edge/></TrackMate>',
        "zarr.json": b'{"shape": [3, 4, 5], "chunk_grid": {"configuration": {"chunk_shape": [1, 4, 5]}}}',
        "a.txt": b"1 0 4 0\n2 0 3 1\n",
    }  # fmt: skip


def write_valid(valid: dict[str, Any], root: Path) -> list[Path]:
    folder = root / "inputs"
    folder.mkdir(parents=True)
    for name, content in valid.items():
        (folder / name).write_bytes(content)
    return [folder, *(folder / name for name in valid)]


def told(root: Path) -> str:
    """What lies there, without reading pipes, devices and gigabytes."""
    lines = []
    for path in sorted(root.rglob("*")):
        info = path.lstat()
        small = path.is_file() and not path.is_symlink() and info.st_size < 10**8
        target = str(path.readlink()) if path.is_symlink() else ""
        target = target.replace(str(root), "")
        content = path.read_bytes() if small and (os.geteuid() == 0 or info.st_mode & 0o400) else b""
        size = info.st_size if path.is_file() else 0
        lines.append(f"{path.relative_to(root)!s} {info.st_mode} {target} {size} {hash(content)}")
    return "\n".join(lines)


def test_all_kinds_of_input_are_used() -> None:
    """A command of the line that the campaign does not know is a command that nobody attacks."""
    from tests.cli.test_inputs_are_safe import commands

    known = {command.line.split(" {")[0].split(" -")[0] for command in COMMANDS.values()}
    missing = [name for name, _ in commands() if not any(line == name or line.startswith(f"{name} ") for line in known)]
    assert missing == ["study", "ui"]  # they start servers and pipelines and read no file that is named


def test_a_recipe_without_changes_is_a_valid_input() -> None:
    assert str(Recipe("sync", {"project": "spooled"})) == "sync (project spooled): "
