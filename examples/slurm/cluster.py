"""A Dask cluster of SLURM jobs, for `somanet sweep --scheduler`: change the numbers, start it on the login node.

    python examples/slurm/cluster.py

It prints the command of the sweep, starts jobs when trials wait and ends them when none do. Ctrl-C ends all.
"""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

import dask
from dask_jobqueue import SLURMCluster

from somanet.core.cluster import make_certificates

JOBS = 8  # at most so many at once; each runs one trial at a time
PARTITION = "cpu"
CORES = 4  # a training uses all of them
MEMORY = "8GB"
HOURS = 12
ACTIVATE = "source .venv/bin/activate"  # the project's environment, seen from the folder that this is started in
DIRECTIVES: list[str] = []  # such as ["--gres=gpu:1"]
CERTIFICATES = Path("mlruns/dask-tls")  # on the disk that the nodes share; only you can read it
INTERFACE: str | None = None  # the network between the nodes, such as "ib0"; None = the usual one


def make_cluster() -> SLURMCluster:
    """The scheduler, in this process; no job is submitted yet."""
    # A trial goes on where its job was ended, so many ends are no reason to give it up.
    dask.config.set({"distributed.scheduler.allowed-failures": 20})
    return SLURMCluster(
        queue=PARTITION,
        cores=1,  # Dask's threads: one, as a process can train one network at a time
        processes=1,
        job_cpu=CORES,
        memory=MEMORY,
        walltime=f"{HOURS:02d}:00:00",
        interface=INTERFACE,
        protocol="tls://",
        security=make_certificates(CERTIFICATES),  # scheduler, workers and sweep speak only to who has it
        # Before its time is up a worker stops taking trials, and what it runs goes on in another.
        worker_extra_args=["--lifetime", f"{HOURS * 60 - 10}m", "--lifetime-stagger", "5m"],
        job_extra_directives=DIRECTIVES,
        job_script_prologue=[ACTIVATE, f"export OMP_NUM_THREADS={CORES}"],
        log_directory="mlruns/slurm",
        scheduler_options={"dashboard_address": None},
    )


def main() -> None:
    """Offer the cluster until Ctrl-C."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # dask_jobqueue has made it sys.exit()
    with make_cluster() as cluster:
        cluster.adapt(minimum_jobs=0, maximum_jobs=JOBS)
        cert, key = CERTIFICATES / "cert.pem", CERTIFICATES / "key.pem"
        tls = f"--tls-ca-file {cert} --tls-cert {cert} --tls-key {key}"
        sys.stdout.write(f"somanet sweep NAME --scheduler {cluster.scheduler_address} {tls} --workers {JOBS}\n")
        sys.stdout.flush()
        try:
            while True:
                time.sleep(60)
        except KeyboardInterrupt:
            sys.stdout.write("Ending all jobs.\n")


if __name__ == "__main__":
    main()
