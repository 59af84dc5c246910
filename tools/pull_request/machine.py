"""What affects the last digits of a training besides its code: the processor and the libraries."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from pathlib import Path

from somanet.provenance.code import collect

_CPUINFO = Path("/proc/cpuinfo")


def this_machine() -> str:
    """A name for this kind of machine: equal if equal code should give equal numbers, as far as can be predicted.

    Processor model and number, threads as limited by OMP_NUM_THREADS, and the versions of Python and of the
    libraries that can change a number. Two processors of the same model in different places have the same name.
    """
    here = collect(Path.cwd())
    versions = {name: version for name, version in here.versions.items() if name != "somanet"}
    facts = [_processor(), here.n_cpus, os.environ.get("OMP_NUM_THREADS"), platform.system(), versions]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def _processor() -> str:
    try:
        lines = _CPUINFO.read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
