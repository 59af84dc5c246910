"""Where the scene of a movie is in each frame, from its backgrounds.

Each frame is registered to the mean of those before it, laid onto each other, so that errors do not add up from frame
to frame; where that no longer fits, to the frame before. Frames kept for comparison, anchors, tell how large the errors
are and whether anything in the picture persists.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from somanet.tracking.background import Background, Floats
from somanet.tracking.registration import Registration, compare, register

NEWEST_SHARE = 0.03
"""Weight of a new frame in the mean that the next one is registered to: a memory of some 30 frames."""
LEAST_OVERLAP = 0.5
ANCHOR_FRAMES = 4
LARGEST_ERROR_PX = 0.5
"""Error of a comparison, in pixels of the registered images, up to which two frames show the same things; by then most
of a picture has changed."""
LEAST_LIFE = 8
"""Frames for which a part of the picture has to stay the same to be a background."""


@dataclass(frozen=True)
class Place:
    """Where the scene is in one frame, relative to the first.

    Attributes:
        shift_yx_px: (2,) of the field's centre.
        rotation_deg: angle.
        error_px, rotation_error_deg: standard errors.
        quality: of its registration; NaN if it has none.
        measured: registered, or the first frame.
        broken: the way from the frames before is unknown.
    """

    shift_yx_px: Floats
    rotation_deg: float = 0.0
    error_px: float = 0.0
    rotation_error_deg: float = 0.0
    quality: float = math.nan
    measured: bool = True
    broken: bool = False

    def then(self, step: Registration) -> Place:
        """The place of a frame registered to this one."""
        angle = math.radians(step.rotation_deg)
        y, x = self.shift_yx_px
        turned = np.array([math.cos(angle) * y + math.sin(angle) * x, math.cos(angle) * x - math.sin(angle) * y])
        return Place(
            turned + step.shift_yx_px,
            self.rotation_deg + step.rotation_deg,
            math.hypot(self.error_px, step.error_px),
            math.hypot(self.rotation_error_deg, step.rotation_error_deg),
            step.quality,
        )

    def held(self) -> Place:
        """The same place in a frame that could not be registered."""
        return replace(self, quality=math.nan, measured=False, broken=False)


class _Reference:
    """The mean of the registered frames, in the coordinates of the first of them.

    What rests in the scene becomes clearer with each frame, and what moves on its own fades, so that the reference is
    held by the former; and errors hardly add up: a frame moves it by its share of its own error.
    """

    def __init__(self, background: Background, place: Place) -> None:
        self.background, self.place = background, place
        self._n = 1

    def blend(self, step: Registration) -> None:
        """Take up a frame that was registered to the mean."""
        assert step.seen is not None
        self._n += 1
        share = max(NEWEST_SHARE, 1 / self._n)
        self.background = self.background.blended(step.seen, share)
        self.place = replace(
            self.place,
            error_px=math.hypot(self.place.error_px, share * step.error_px),
            rotation_error_deg=math.hypot(self.place.rotation_error_deg, share * step.rotation_error_deg),
        )


class _Anchor:
    """The mean of a few frames, to which later ones are compared directly for as long as they show the same things.

    The running reference forgets: where the background is renewed, or moves on its own, its errors add up unseen. An
    anchor does not follow, so that the error of a place is that of its own comparison with the anchor, and the
    anchor's; and how long anchors live tells whether anything in the picture persists. Half the resolution tells it.
    """

    def __init__(self, background: Background, place: Place, t: int) -> None:
        self.place, self.since = place, t
        self._mean = _Reference(background.halved, place)
        self._n = 1

    def compared(self, background: Background, place: Place) -> Registration:
        """The frame at a place, against the anchor."""
        return compare(
            self._mean.background,
            background.halved,
            near_yx_px=place.shift_yx_px - self.place.shift_yx_px,
            rotation_deg=place.rotation_deg - self.place.rotation_deg,
        )

    def grown(self, check: Registration) -> None:
        """Take up one of the first frames, as it was compared."""
        if self._n < ANCHOR_FRAMES:
            self._n += 1
            self._mean.blend(check)


def _shows_the_same(check: Registration, background: Background) -> bool:
    """Whether a comparison with an anchor tells where the frame is."""
    return check.significant and check.error_px <= LARGEST_ERROR_PX * background.factor


@dataclass(frozen=True)
class ScenePath:
    """Where the scene is in every frame.

    Attributes:
        places: (T,).
        lives: (frames, whether it ended because the picture had changed) of each anchor.
    """

    places: list[Place]
    lives: list[tuple[int, bool]]

    @property
    def persists(self) -> bool:
        """Whether a part of the picture stays the same for :data:`LEAST_LIFE` frames, in most of the movie."""
        long = sum(life for life, _ in self.lives if life >= LEAST_LIFE)
        short = sum(life for life, ended in self.lives if ended and life < LEAST_LIFE)
        return long >= short


def follow(backgrounds: Iterable[Background | None], *, anchored: bool = True) -> ScenePath:
    """The place of every frame; a few frames in memory at a time.

    Args:
        backgrounds: in order of time; None for a frame that shows nothing.
        anchored: compare frames with anchors; without, shifts are the same, and lives and the true errors are unknown.
    """
    path: list[Place] = []
    lives: list[tuple[int, bool]] = []
    reference: _Reference | None = None
    anchor: _Anchor | None = None
    last: tuple[Background, Place] | None = None  # the newest frame that was registered
    lost: tuple[Background, Place] | None = None  # the newest one that was not
    for t, background in enumerate(backgrounds):
        if background is None:
            path.append((path[-1] if path else Place(np.zeros(2), measured=False)).held())
            continue
        if reference is None or last is None or anchor is None:
            reference = _Reference(background, path[-1] if path else Place(np.zeros(2)))
            path.append(replace(reference.place, measured=True))
            last, anchor = (background, path[-1]), _Anchor(background, path[-1], t)
            continue
        near = last[1].shift_yx_px - reference.place.shift_yx_px
        step = register(reference.background, background, near_yx_px=near)
        if not step.significant or step.overlap < LEAST_OVERLAP:
            # The reference has left the field or is out of date, or the frame is bad: of frames before it, the newest.
            for frame in (last, lost):
                if frame is None or frame[0] is reference.background:
                    continue
                again = register(frame[0], background, near_yx_px=np.zeros(2))
                if again.significant:
                    if frame is lost:
                        path[-1] = replace(path[-1], broken=True)
                        anchor = _Anchor(*frame, t - 1)
                    reference, step = _Reference(*frame), again
                    break
        if not step.significant:
            path.append(path[-1].held())
            lost = background, path[-1]
            continue
        place = reference.place.then(step)
        reference.blend(step)
        if not anchored:
            path.append(place)
            last, lost = (background, place), None
            continue
        check = anchor.compared(background, place)
        if not _shows_the_same(check, background) or check.overlap < LEAST_OVERLAP:
            lives.append((t - anchor.since, check.overlap >= LEAST_OVERLAP))
            anchor = _Anchor(*last, t - 1)
            check = anchor.compared(background, place)
        if _shows_the_same(check, background):
            place = replace(place, error_px=math.hypot(anchor.place.error_px, check.error_px))
            anchor.grown(check)
        else:
            place = replace(place, error_px=math.hypot(last[1].error_px, step.error_px))
        path.append(place)
        last, lost = (background, place), None
    if anchor is not None:
        lives.append((len(path) - anchor.since, False))
    return ScenePath(path, lives)
