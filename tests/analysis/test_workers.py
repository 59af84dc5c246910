"""Movies on workers: the same results and messages as without, whatever happens to a worker or a movie."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import somanet as package
from somanet.analysis import asked, workers
from somanet.analysis.asked import NetworksToOpen, networks_to_open
from somanet.analysis.movie import PACKAGE, Options
from somanet.analysis.network import open_networks
from somanet.analysis.outcome import Outcome
from somanet.analysis.source import MovieSource
from somanet.analysis.worker_task import Task, run_task
from somanet.analysis.workers import check_workers
from somanet.core import extras, machine
from somanet.core.errors import SomaNetError
from somanet.core.hashing import sha256_file, sha256_tree
from somanet.core.job_queue import job_cluster, read_job_queue
from somanet.core.swapping import remove_unfinished
from somanet.provenance.code import code_digest
from somanet.segmentation.inference import at_once
from tests.analysis.test_batch import QUICK, analyze, correct, lab, made, state
from tests.analysis.worlds import frames_TYX, save_movie
from tests.worlds import somanet

__all__ = ["lab", "made"]  # fixtures: movies of two donors, those of the second analysed without workers

OWN = package.__version__
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def networks(made: Path) -> NetworksToOpen:
    return networks_to_open(open_networks([made / "model"]), {"name": "model"})


@pytest.fixture
def task(lab: Path, networks: NetworksToOpen) -> Task:
    """The movie `a`, as the command asks for it."""
    movie = lab / "movies" / "d1" / "a.tif"
    (lab / "token").touch()
    return Task(
        source=MovieSource(movie, "a"),
        sha256=sha256_file(movie),
        folder=lab / "study" / "a",
        networks=networks,
        options=Options(report=False, overlay=False),
        replace=False,
        token=lab / "token",
        shown={str(movie): "movies/d1/a.tif"},
    )


def test_a_task_has_the_results_of_an_analysis_in_this_process(task: Task, lab: Path) -> None:
    (lab / "alone").mkdir()
    arguments = ("movies/d1/a.tif", "--output", "alone/a", "--model", "model", *QUICK)
    assert somanet("analyze", *arguments, cwd=lab) is None
    done = run_task(replace(task, networks=replace(task.networks, about=about_of(lab / "alone/a"))))
    assert done.refusal is None
    assert done.outcome is not None
    assert done.outcome.problem is None
    assert done.outcome.measures is not None
    assert done.outcome.measures.summary.n_cells == 2
    assert sha256_tree(task.folder) == sha256_tree(lab / "alone" / "a")
    before = state(task.folder)
    again = run_task(replace(task, networks=replace(task.networks, about=about_of(lab / "alone/a"))))
    assert again.outcome == Outcome()
    assert state(task.folder) == before


def about_of(results: Path) -> dict[str, Any]:
    model = json.loads((results / "manifest.json").read_text())["model"]
    return {name: model[name] for name in ("name", "mlflow_run", "training", "start_weights_sha256")}


def change_record(task: Task) -> Task:
    record = {**task.networks.record, "model_sha256": "0" * 64}
    return replace(task, networks=replace(task.networks, record=record))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: replace(t, version="0.0.1"), rf"has SomaNet {package.__version__}, here it is 0\.0\.1"),
        (lambda t: replace(t, code="f" * 64), rf"SHA-256 {code_digest(PACKAGE)[:8]} there, ffffffff here"),
        (lambda t: replace(t, token=Path("/nowhere/token")), "does not see .*study: the movies, the networks"),
        (lambda t: replace(t, source=replace(t.source, path=Path("/nowhere/a.tif"))), "does not see /nowhere/a.tif"),
        (
            lambda t: replace(t, networks=replace(t.networks, folders=(Path("/nowhere/model"),))),
            "does not see /nowhere/model",
        ),
        (change_record, "cannot open the network: expected model_sha256 0000"),
    ],
    ids=["version", "code", "study", "movie", "network", "weights"],
)
def test_a_worker_that_would_do_something_else_refuses(task: Task, change: Callable[[Task], Task], words: str) -> None:
    """What another root of the file system shows it is not there; nothing is written."""
    done = run_task(change(task))
    assert done.outcome is None
    assert done.refusal is not None
    assert "\n" not in done.refusal
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(done.refusal)
    assert not task.folder.exists()


def test_another_movie_at_the_same_place_costs_only_itself(task: Task) -> None:
    done = run_task(replace(task, sha256="e" * 64))
    assert done.refusal is None
    assert done.outcome is not None
    problem = str(done.outcome.problem)
    assert problem.startswith("movies/d1/a.tif is another file on ")
    assert f"SHA-256 {task.sha256[:8]}, expected eeeeeeee" in problem
    assert not task.folder.exists()


def test_results_of_another_movie_of_the_name_stay_on_a_worker_too(task: Task, lab: Path) -> None:
    """With leave to replace, they go aside, and the folder that keeps them is told."""
    shutil.copytree(lab / "study" / "b", task.folder)
    before = state(task.folder)
    done = run_task(task)
    assert done.outcome is not None
    assert "study/a holds the results of another movie: of b.tif (SHA-256 " in str(done.outcome.problem)
    assert "and this one is movies/d1/a.tif (SHA-256 " in str(done.outcome.problem)
    assert state(task.folder) == before
    done = run_task(replace(task, replace=True))
    assert done.outcome is not None
    assert done.outcome.problem is None
    assert done.kept == (task.folder.with_name("a.before"),)
    assert {name: sha256 for name, (sha256, _) in state(done.kept[0]).items()} == {
        name: sha256 for name, (sha256, _) in before.items()
    }


def test_a_task_that_nobody_wants_any_more_ends_and_leaves_nothing(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    """The token disappears while the second frame is looked at."""
    monkeypatch.setattr(asked, "REPORT_S", 0.0)
    opened = MovieSource.open

    def stop(self: MovieSource) -> Any:
        task.token.unlink(missing_ok=True)
        return opened(self)

    monkeypatch.setattr(MovieSource, "open", stop)
    done = run_task(task)
    assert (done.outcome, done.refusal) == (None, None)
    assert sorted(path.name for path in task.folder.parent.iterdir() if path.name[0] == ".") == []
    assert not task.folder.exists()


def test_a_worker_computes_on_its_own_processors_only(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a computer of eight, one of four workers segments two frames at once, each by one thread."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert workers.processors_each(4) == 2
    assert workers.processors_each(16) == 1
    pools: list[int] = []
    make_pool = at_once.ThreadPoolExecutor

    def counted(n: int, **options: Any) -> Any:
        pools.append(n)
        return make_pool(n, **options)

    monkeypatch.setattr(at_once, "ThreadPoolExecutor", counted)
    done = run_task(replace(task, processors=2))
    assert done.outcome is not None
    assert done.outcome.problem is None
    assert set(pools) == {2}
    assert machine.available_processors() == 8


class Future:
    def __init__(self, result: Any, problem: BaseException | None) -> None:
        self._result, self._problem = result, problem

    def exception(self) -> BaseException | None:
        return self._problem

    def result(self) -> Any:
        return self._result


class Cluster:
    """Two workers, which are this process; tasks about some movies end as is told."""

    def __init__(self, problems: Mapping[str, BaseException] | None = None, **seen: Any) -> None:
        self.problems, self.seen, self.topics = problems or {}, seen, 0
        self.keys: list[str] = []

    def nthreads(self, **_: float) -> dict[str, int]:
        return {"tcp://one": 1, "tcp://two": 1}

    def get_versions(self, *, check: bool) -> dict[str, Any]:
        assert not check
        here = {"packages": {"python": self.seen.get("python", platform.python_version())}}
        return {"scheduler": here, "workers": dict.fromkeys(self.nthreads(), here)}

    def run_on_scheduler(self, look: Callable[[str], Any], token: str) -> Any:
        return {**look(token), **self.seen.get("scheduler", {})}

    def run(self, look: Callable[[str], Any], token: str) -> Any:
        return {address: {**look(token), **self.seen.get(address, {})} for address in self.nthreads()}

    def subscribe_topic(self, topic: str, handler: Callable[[Any], None]) -> None:
        self.topics += 1
        self.tell = handler

    def unsubscribe_topic(self, topic: str) -> None:
        self.topics -= 1

    def submit(self, function: Callable[[Task], Any], task: Task, *, key: str, retries: int) -> Future:
        assert retries > 0
        self.keys.append(key)
        self.tell((0.0, {"name": task.source.name, "words": "segmenting", "mark": "0-0-0"}))
        problem = self.problems.get(task.source.name)
        return Future(None if problem else function(task), problem)


def use(monkeypatch: pytest.MonkeyPatch, cluster: Cluster) -> None:
    @contextmanager
    def local(n: int, *, allowed_failures: int, stops_workers: bool) -> Iterator[Cluster]:
        yield cluster

    def wait(futures: list[Future], **_: Any) -> Any:
        return type("Done", (), {"done": {futures[-1]}})  # the last of those in work ends first

    monkeypatch.setattr("somanet.core.cluster.local_cluster", local)
    monkeypatch.setattr("distributed.wait", wait)


def said_of(text: str) -> dict[str, list[str]]:
    """What a command prints of each movie."""
    blocks: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("movie "):
            blocks[line] = []
        elif line.startswith("3 movies, "):  # the cohort
            break
        elif blocks:
            blocks[list(blocks)[-1]].append(line)
    return blocks


def test_broken_finished_and_corrected_movies_fare_as_without_workers(
    lab: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`b` is corrected, `c` finished, `bad` cannot be opened, `nan` has no number in its sixth frame, `a` is new."""
    correct(lab)
    (lab / "movies" / "bad.tif").write_bytes(b"II*\0 no movie")
    nan = frames_TYX().astype(np.float32)
    nan[5, 3, 4] = np.nan
    save_movie(lab / "movies" / "nan.tif", nan)
    shutil.copytree(lab / "study", lab / "other")
    kept = {name: state(lab / "study" / name) for name in "bc"}
    capsys.readouterr()
    alone = analyze(lab, "movies")
    told_alone = capsys.readouterr().out
    shutil.copytree(lab / "study", lab / "alone")
    shutil.rmtree(lab / "study")
    shutil.move(lab / "other", lab / "study")

    cluster = Cluster()
    use(monkeypatch, cluster)
    together = analyze(lab, "movies", options=("--workers", 2))
    told = capsys.readouterr().out
    assert together == alone
    assert together is not None
    assert "2 of 5 movies could not be analysed" in together
    assert said_of(told) == said_of(told_alone)
    assert len(said_of(told)) == 5
    assert told.partition("movies, ")[2] == told_alone.partition("movies, ")[2]
    assert sorted(key.split("-")[2] for key in cluster.keys) == ["a", "c", "nan"]
    assert cluster.topics == 0
    for place in ("a", "movies.csv", "cells.csv", "summary.json", "methods.md"):
        assert sha256_tree(lab / "study" / place) == sha256_tree(lab / "alone" / place), place
    assert {name: {k: v[0] for k, v in state(lab / "study" / name).items()} for name in "bc"} == {
        name: {k: v[0] for k, v in kept[name].items()} for name in "bc"
    }
    assert [path for path in (lab / "study").rglob(".*") if path.name != ".somanet.jsonl"] == []


def test_a_movie_that_kills_its_workers_costs_only_itself(
    lab: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from distributed import KilledWorker

    shutil.rmtree(lab / "study")
    use(monkeypatch, Cluster({"b": KilledWorker("task", None, 3)}))  # type: ignore[arg-type]
    message = analyze(lab, "movies", options=("--workers", 2))
    assert message is not None
    assert "1 of 3 movies could not be analysed" in message
    assert "failed: its worker process kept dying: out of memory?" in capsys.readouterr().out
    assert pd.read_csv(lab / "study" / "movies.csv")["movie"].tolist() == ["a", "c"]


def test_a_worker_that_fails_or_refuses_stops_the_work_and_what_is_done_stays(
    lab: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The largest movie is begun first, so `c`, made larger, is done when the next task fails."""
    shutil.rmtree(lab / "study")
    save_movie(lab / "movies" / "d2" / "c.tif", frames_TYX(30))
    use(monkeypatch, Cluster({"a": ValueError("pickle"), "b": ValueError("pickle")}))
    message = analyze(lab, "movies", options=("--workers", 2))
    assert message is not None
    assert message.startswith("error: A worker failed: ValueError: pickle.")
    assert "\n" not in message
    assert [path for path in (lab / "study").rglob(".*") if path.is_dir()] == []


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        ({"scheduler": {"version": "0.0.1"}}, rf"The scheduler on .* has SomaNet 0\.0\.1, here it is {OWN}"),
        ({"tcp://two": {"version": "0.0.1"}}, rf"The worker tcp://two on .* has SomaNet 0\.0\.1, here it is {OWN}"),
        ({"tcp://one": {"code": "a" * 64}}, rf"other code .* aaaaaaaa there, {code_digest(PACKAGE)[:8]} here"),
        ({"tcp://one": {"version": None}}, "has no SomaNet"),
        ({"tcp://two": {"sees": False}}, "The worker tcp://two on .* does not see"),
        ({"python": "3.9.1.final.0"}, r"Python is 3\.9, here it is 3\."),
    ],
)  # fmt: skip
def test_a_cluster_of_another_version_is_refused_before_the_work(
    seen: dict[str, Any], words: str, tmp_path: Path
) -> None:
    (tmp_path / "token").touch()
    good: Any = Cluster()
    check_workers(good, tmp_path / "token")
    client: Any = Cluster(**seen)
    with pytest.raises(SomaNetError, match=words) as caught:
        check_workers(client, tmp_path / "token")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--workers", 1000), "--workers 1000 is more than this computer can use"),
        (("--cluster", "tcp://node01:8786"), "--cluster tcp://node01:8786 is not encrypted"),
        (("--cluster", ""), "--cluster: expected tls://HOST:PORT, tcp://HOST:PORT or a .yaml file, found ''"),
        (("--cluster", "tls://node01:8786"), "--cluster tls://node01:8786 needs certificates"),
        (("--cluster", "none.yaml"), "none.yaml not found"),
        (("--cluster", "none.YAML"), "none.YAML not found"),
        (("--cluster", "good.yml"), "`sbatch` is not found here: run this on a login node"),
        (("--cluster", "bad.yaml"), "bad.yaml: unknown parameter 'job'. Did you mean 'jobs'?"),
        (("--workers", 2, *("--tls-ca-file", "a.pem", "--tls-cert", "a.pem", "--tls-key", "b.pem")), "for --cluster"),
        (("--tls-ca-file", "a.pem"), "give all three, or none"),
    ],
)
def test_what_does_not_fit_is_one_line_before_the_work(
    lab: Path, options: tuple[object, ...], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("somanet.core.job_queue.shutil.which", lambda _: None)
    shutil.rmtree(lab / "study")
    (lab / "good.yml").write_text("system: slurm\njobs: 3\n")
    (lab / "bad.yaml").write_text("system: slurm\njob: 3\njobs: 3\n")
    message = analyze(lab, "movies", options=options)
    assert message is not None
    assert words in message
    assert "\n" not in message
    assert not (lab / "study").exists()


def test_without_dask_the_extra_is_named(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = extras._found
    monkeypatch.setattr(extras, "_found", lambda name: name != "distributed" and found(name))
    message = analyze(lab, "movies", options=("--workers", 2))
    assert message is not None
    assert "needs distributed, not found here: pip install 'somanet[cluster]'." in message


def test_the_example_of_slurm_jobs_makes_their_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One worker of one thread per job, on the cores of the file; no job is submitted, as nothing waits."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("somanet.core.job_queue.shutil.which", str)
    queue = read_job_queue(ROOT / "examples/slurm/slurm.yaml")
    assert (queue.jobs, queue.cores, queue.hours) == (8, 4, 12)
    with job_cluster(queue, tmp_path, at_once=3, allowed_failures=2) as client:
        script = client.cluster.job_script()  # type: ignore[union-attr]
    lines = script.splitlines()
    assert "#SBATCH -p cpu" in lines
    assert "#SBATCH --cpus-per-task=4" in lines
    assert "#SBATCH -t 12:00:00" in lines
    assert lines.index("source .venv/bin/activate") < lines.index("export OMP_NUM_THREADS=1")
    worker = next(line for line in lines if "dask_worker" in line)
    assert "--nthreads 1 " in worker
    assert "--protocol tls://" in worker
    assert f"--tls-key {tmp_path / 'tls/key.pem'}" in worker
    assert (tmp_path / "tls/key.pem").stat().st_mode & 0o077 == 0


def test_what_a_dead_worker_left_half_written_is_removed_and_nothing_else(tmp_path: Path) -> None:
    """Of the movie `a`, by the process that is gone: not of `ab`, not of another process, not the results."""
    dead, other = "abcdef-12-345", "abcdef-13-345"
    gone = [f".a.{dead}.01234567.part", f"a/.results.{dead}.01234567.part"]
    stays = [f".ab.{dead}.01234567.part", f".a.{other}.01234567.part", "a/tracks.csv", f".a.{dead}.01234567.old"]
    for name in (*gone, *stays):
        (tmp_path / name).mkdir(parents=True)
    remove_unfinished(tmp_path / "a", dead)
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")}
    assert left == {"a", *stays}


def test_what_looks_at_workers_needs_no_somanet_there(tmp_path: Path) -> None:
    """The function is sent as it is: it runs in a process that has no SomaNet, and says so."""
    from distributed.protocol.pickle import dumps

    sent: list[Any] = []

    class Recording(Cluster):
        def run(self, look: Callable[[str], Any], token: str) -> Any:
            sent.append(look)
            return {}

    client: Any = Recording()
    check_workers(client)
    (tmp_path / "look").write_bytes(dumps(sent[0]))
    code = (
        "import sys; sys.modules['somanet'] = None\n"
        "from distributed.protocol.pickle import loads\n"
        "found = loads(open('look', 'rb').read())('look')\n"
        "print(sorted(found), found['sees'])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['host', 'sees'] True"
