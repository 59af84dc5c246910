"""Where a network computes: the processor, or a graphics processor that is named or found."""

from __future__ import annotations

import ctypes
import re
import sys
from pathlib import Path
from typing import NamedTuple

from somanet.core.counting import counted
from somanet.core.errors import SomaNetError

AUTO, CPU, OPENVINO_GPU = "auto", "cpu", "gpu"
_NAMES = re.compile(r"auto|cpu|gpu|mps|cuda(?::\d{1,3})?")


class Device(NamedTuple):
    """A device of this machine.

    Attributes:
        name: as torch calls it: `cpu`, `cuda:0`, `mps`; or `gpu`, the graphics processor that OpenVINO finds.
        chip: the name its maker gave it; empty where torch knows none.
        halves: whether it computes faster with 16-bit numbers.
    """

    name: str
    chip: str = ""
    halves: bool = False

    @property
    def kind(self) -> str:
        """`cpu`, `cuda`, `mps` or `gpu`."""
        return self.name.partition(":")[0]


PROCESSOR = Device(CPU)


def check_device(wanted: str) -> str:
    """The same, if it can name a device; torch is not loaded.

    Raises:
        SomaNetError: it cannot.
    """
    if not _NAMES.fullmatch(str(wanted)):  # in Python it may be anything
        raise SomaNetError(
            f"Unknown device {wanted!r}; expected auto, cpu, cuda, cuda:N (N from 0), mps, or gpu (OpenVINO's)."
        )
    return wanted


def find_device(wanted: str = AUTO) -> Device:
    """The device that is wanted; `auto` takes the first graphics processor of CUDA, else the processor.

    Apple's graphics (`mps`) are used only if they are named, as it was never measured whether they are faster.

    Raises:
        SomaNetError: it has no such name, or this machine or this build of torch lacks it.
    """
    check_device(wanted)
    if wanted in (CPU, OPENVINO_GPU):
        return Device(wanted)
    if wanted == AUTO and not _has_driver():
        return PROCESSOR  # torch, whose loading takes seconds, would find nothing
    import torch

    n_cuda = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if wanted == "mps":
        if not torch.backends.mps.is_available():
            raise _lacking(wanted, "no Apple graphics")
        return Device("mps", "Apple graphics", halves=True)
    if wanted == AUTO and not n_cuda:
        return PROCESSOR
    number = int(wanted.partition(":")[2] or 0)
    if number >= n_cuda:
        raise _lacking(wanted, f"{counted(n_cuda, 'CUDA device') if n_cuda else 'no CUDA devices'}")
    return Device(f"cuda:{number}", torch.cuda.get_device_name(number), halves=True)


def _has_driver() -> bool:
    """Whether there is a driver by which torch could find a card: NVIDIA's library, or the device of AMD's."""
    if Path("/dev/kfd").exists():
        return True
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    return True


def _lacking(wanted: str, found: str) -> SomaNetError:
    import torch

    return SomaNetError(
        f"--device {wanted}: expected such a device, found {found} (torch {torch.__version__}). A build of torch for "
        "processors only finds none, nor does any without the driver: see `somanet doctor`. Use --device cpu, or auto; "
        "in the pipeline, `device` in params.yaml."
    )
