"""Traced processes against true ones."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from somanet.analysis.processes.following import turn_deg

RIGHT_DEG = 30.0


def joined(traced: pd.DataFrame, true: pd.DataFrame) -> pd.DataFrame:
    """One row per cell and frame in which the true leading process is in view and the cell's motion is known.

    Returns:
        ``track_id, frame, error_deg`` of the process called leading (NaN if none was), ``length_um, true_um,
        confidence, at_edge``; ``found_deg``, the error of the nearest process of any role; ``called``, the role of the
        traced process that is nearest to the true leading one and within 30°, ``trailing_called`` likewise of the true
        trailing one (both empty where there is none).
    """
    by_place = dict(tuple(traced.groupby(["track_id", "frame"])))
    rows = []
    for (track, frame), truth in true.groupby(["track_id", "frame"]):
        found = by_place.get((track, frame))
        leading = truth[truth["role"] == "leading"]
        if found is None or leading.empty or not leading["in_view"].iloc[0] or found["motion_deg"].isna().all():
            continue
        trailing = truth[(truth["role"] == "trailing") & (truth["in_view"] == 1)]
        direction = float(leading["direction_deg"].iloc[0])
        traced_ones = found[found["role"] != "none"]
        errors = turn_deg(traced_ones["direction_deg"].to_numpy(float), direction)
        chosen = traced_ones[traced_ones["role"] == "leading"]
        row: dict[str, object] = {"track_id": track, "frame": frame, "true_um": float(leading["length_um"].iloc[0])}
        row["found_deg"] = float(errors.min()) if errors.size else np.nan
        row["called"] = _called(traced_ones, direction)
        row["trailing_called"] = (
            "" if trailing.empty else _called(traced_ones, float(trailing["direction_deg"].iloc[0]))
        )
        row["error_deg"] = row["length_um"] = row["confidence"] = np.nan
        if len(chosen):
            row["error_deg"] = float(turn_deg(float(chosen["direction_deg"].iloc[0]), direction))
            row |= {name: float(chosen[name].iloc[0]) for name in ("length_um", "confidence")}
        rows.append(row)
    return pd.DataFrame(rows)


def _called(traced: pd.DataFrame, direction: float) -> str:
    errors = turn_deg(traced["direction_deg"].to_numpy(float), direction)
    if not errors.size or errors.min() > RIGHT_DEG:
        return ""
    return str(traced["role"].iloc[int(errors.argmin())])


def summary(rows: pd.DataFrame) -> Mapping[str, float]:
    """The figures of the page, of :func:`joined` rows.

    Returns:
        ``n``; ``given``, the share with a leading process; ``median_deg`` and ``within_30`` of those given;
        ``within_30_of_all``, where one that is not given is wrong; ``length_error``, the median relative error of the
        length of those within 30°, and ``length_bias``, its median with sign; ``told``, the share of traced true
        leading and trailing processes that have their own role among those called one or the other.
    """
    given = rows[rows["error_deg"].notna()]
    right = given[given["error_deg"] <= RIGHT_DEG]
    relative = right["length_um"] / right["true_um"] - 1
    leading, trailing = rows["called"], rows["trailing_called"]
    correct = int((leading == "leading").sum() + (trailing == "trailing").sum())
    swapped = int((leading == "trailing").sum() + (trailing == "leading").sum())
    return {
        "n": len(rows),
        "given": len(given) / len(rows),
        "median_deg": float(given["error_deg"].median()),
        "within_30": len(right) / len(given),
        "within_30_of_all": len(right) / len(rows),
        "length_error": float(relative.abs().median()),
        "length_bias": float(relative.median()),
        "length_within_20": float((relative.abs() <= 0.2).mean()),
        "told": correct / max(correct + swapped, 1),
    }
