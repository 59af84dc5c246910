from __future__ import annotations

import signal
import socket
import time
import urllib.error
import urllib.request
from pathlib import Path

import psutil
import pytest

from somanet.core.errors import SomaNetError
from somanet.provenance.mlflow import page_of_server, score_addresses, serve_ui, track_run
from somanet.provenance.mlflow.client import open_client
from tests.servers import free_port


def test_a_taken_port_is_one_line(root: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(SomaNetError, match=f"Port {port} .* cannot be used"):
            serve_ui(root, port=port)


def test_a_port_that_does_not_exist_is_one_line(root: Path) -> None:
    with pytest.raises(SomaNetError, match="cannot be used"):
        serve_ui(root, port=70_000)


def test_a_server_of_its_own_needs_no_page_of_ours(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@tracking.example.org")
    with pytest.raises(SomaNetError, match=r"open http://tracking.example.org"):
        serve_ui(root)


def test_the_page_of_a_server_is_named_without_its_password(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert page_of_server(root) is None
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:secret@tracking.example.org/mlflow")
    assert page_of_server(root) == "https://tracking.example.org/mlflow"


def test_the_scores_of_each_experiment_have_an_address_the_newest_run_s_first(root: Path) -> None:
    """Experiments of the user's own, and those without runs, have no view of ours."""
    assert score_addresses(root, "http://here") == {}
    for name in ("train", "finetune-simulated", "mine", "pretrain", "train"):
        with track_run("a", experiment=name, root=root, system_metrics=False):
            pass
        time.sleep(0.01)
    client = open_client(root)
    found = score_addresses(root, "http://here/")
    assert list(found) == ["train", "pretrain", "finetune-simulated"]
    for name, address in found.items():
        experiment = client.get_experiment_by_name(name)
        assert address == (
            f"http://here/#/experiments/{experiment.experiment_id}/runs?viewStateShareKey=somanet-scores"
            "&workflowType=machine_learning"
        )
        assert "mlflow.sharedViewState.somanet-scores" in experiment.tags  # the view that the address names


SERVE = """
import sys
from somanet.provenance.mlflow import serve_ui
from somanet.provenance.mlflow.client import open_client
from tests.servers import free_port
serve_ui(sys.argv[1], port=int(sys.argv[2]), ready=lambda url: print(url, flush=True))
"""


@pytest.mark.slow
def test_the_page_answers_here_only_and_ends_with_all_its_processes(root: Path, start_python, first_line) -> None:
    port = free_port()
    process = start_python(SERVE, root, port)
    url = first_line(process)
    assert url == f"http://127.0.0.1:{port}"
    with urllib.request.urlopen(f"{url}/health") as answer:
        assert answer.read() == b"OK"
    for host, status in [("127.0.0.1", 200), (f"localhost:{port}", 200), ("evil.example.org", 403)]:
        request = urllib.request.Request(
            f"{url}/api/2.0/mlflow/experiments/search?max_results=1", headers={"Host": host}
        )
        try:
            with urllib.request.urlopen(request) as answer:
                found = answer.status
        except urllib.error.HTTPError as error:
            found = error.code
        assert found == status, host
    family = psutil.Process(process.pid).children(recursive=True)
    listening = {c.laddr.ip for member in family for c in member.net_connections() if c.status == "LISTEN"}
    assert listening == {"127.0.0.1"}
    process.send_signal(signal.SIGINT)
    assert process.wait(120) == 0
    assert psutil.wait_procs(family, timeout=5)[1] == []


@pytest.mark.slow
def test_of_two_pages_that_start_at_once_on_a_port_one_is_refused(root: Path, start_python) -> None:
    """Both find the port free; without a check both would show the runs of the one that got it."""
    port = free_port()
    processes = [start_python(SERVE, root, port) for _ in range(2)]
    deadline = time.monotonic() + 120
    while all(process.poll() is None for process in processes):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    [refused] = [process for process in processes if process.poll() is not None]
    [page] = [process for process in processes if process is not refused]
    assert refused.stdout is not None
    assert refused.stdout.read() == ""
    assert refused.stderr is not None
    assert f"SomaNetError: Port {port} on 127.0.0.1 cannot be used" in refused.stderr.read()
    assert page.stdout is not None
    assert page.stdout.readline().strip() == f"http://127.0.0.1:{port}"
    page.send_signal(signal.SIGTERM)
