"""How processes are traced and followed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TracingSettings:
    """Numbers that decide what is traced; chosen on simulated movies other than those of the page's figures.

    Attributes:
        pixel_um: finer movies are reduced to pixels of about this size.
        widths_um: Gaussian scales of the ridge filter: from thin filopodia to a thick process.
        least_strength: of a ridge, in units of the noise's median response; what is below it counts against a path.
        strong: strength from which a step along a ridge becomes cheap.
        steepness: exponent of a step's cost in the strength: the middle of a wide process is cheaper than its side.
        floor: of the same cost; its inverse is the cost of a step without any ridge.
        own_share: a step also counts against a path where its strength is below this share of the mean so far, as
            where the process of a bright cell has ended and the path goes on along something dim.
        soma_share: likewise below this share of the brightness of its own soma.
        dark_share: likewise below this share of the dark ridges beside it.
        against, most: the most that a step can count against, and for, a path, per µm.
        least_score_um: of a process: µm of ridge, less what counts against it.
        longest_um: of a process.
        straight: exponent of the distance that a path covers over its length, in the score by which paths are chosen.
        sectors: directions around a soma, of which each has at most one candidate.
        candidates: that are kept of a soma in one frame, the best ones.
        cone_um: greatest extent of a growth cone along the process.
        least_cone_um2: of ridges that branch off near the end, to be taken for a growth cone.
        stem_um: a growth cone is at least this far from its soma.
        steady: how strongly a process keeps its direction from frame to frame: κ of a von Mises distribution.
        lost: the most that any change from one frame to the next can count against two candidates being one process.
        motion_h: longest time before and after a frame over which its cell's motion is measured.
        least_motion_um: net displacement from which a cell has a direction.
    """

    pixel_um: float = 1.0
    widths_um: tuple[float, ...] = (1.0, 1.8, 3.0)
    least_strength: float = 4.0
    strong: float = 15.0
    steepness: float = 0.7
    floor: float = 0.1
    own_share: float = 0.4
    soma_share: float = 0.06
    dark_share: float = 1.0
    against: float = 2.0
    most: float = 1.0
    least_score_um: float = 6.0
    longest_um: float = 220.0
    straight: float = 2.0
    sectors: int = 24
    candidates: int = 5
    cone_um: float = 45.0
    least_cone_um2: float = 20.0
    stem_um: float = 10.0
    steady: float = 4.0
    lost: float = 3.0
    motion_h: float = 2.0
    least_motion_um: float = 8.0
