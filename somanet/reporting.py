"""The comparison of all networks and variants, as JSON, Markdown and a picture."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from somanet import plots
from somanet.experiments import save_figure
from somanet.files import write_json, write_text

SHOWN = ("iou", "precision", "recall", "accuracy", "mean_ap")
PLOTTED = ("iou", "precision", "accuracy")


@dataclass(frozen=True)
class Row:
    """One line of the comparison.

    Attributes:
        name: network or variant.
        what: in words.
        metrics: as `metrics.json` of its evaluation.
        training: as `training.json`, if known.
        runs: MLflow run ids of the trainings, by seed, if known.
    """

    name: str
    what: str
    metrics: Mapping[str, Any]
    training: Mapping[str, Any] | None = None
    runs: Mapping[int, str] = field(default_factory=dict)


def write_comparison(rows: Sequence[Row], nuclei: Mapping[str, Mapping[str, Any]], folder: Path) -> None:
    """Write `comparison.json`, `comparison.md` and `comparison.png`.

    Args:
        rows: what is compared, all scored on the same validation neurons.
        nuclei: network -> its `metrics.json` on held-out nuclei.
        folder: where.
    """
    write_json(
        folder / "comparison.json",
        {
            row.name: {
                **{name: row.metrics[name] for name in (*SHOWN, "size_bias", "noise_per_image")},
                "n_images": row.metrics["n_images"],
                "n_seeds": row.metrics.get("n_seeds", 1),
                **({"trainable_parameters": row.training["trainable_parameters"]} if row.training else {}),
            }
            for row in rows
        },
    )
    write_text(folder / "comparison.md", comparison_markdown(rows, nuclei))
    figure = plots.comparison(
        {
            row.name: {name: (_number(row.metrics[name]), *_interval(row.metrics, name)) for name in PLOTTED}
            for row in rows
        }
    )
    save_figure(figure, folder / "comparison.png")


def comparison_markdown(rows: Sequence[Row], nuclei: Mapping[str, Mapping[str, Any]]) -> str:
    """The comparison as Markdown tables."""
    first = rows[0].metrics
    lines = [
        f"Validation neurons: {first['n_images']} images. Every figure is the mean over seeds; brackets: 95 %",
        "bootstrap interval over images; ±: standard deviation over seeds. Objects match at IoU ≥ 0.5.",
        "",
        _line("network", "what", "seeds", *map(_title, SHOWN), "size bias", "noise / image", "trained", "time / seed"),
        _line(*["---"] * (len(SHOWN) + 7)),
        *map(_row, rows),
    ]
    lines += [
        "",
        "Without objects that touch the image's edge, on either side:",
        "",
        _line("network", *(_title(name) for name in SHOWN)),
        _line(*["---"] * (len(SHOWN) + 1)),
        *(_line(row.name, *(_cell(row.metrics["interior"], name) for name in SHOWN)) for row in rows),
    ]
    if nuclei:
        lines += [
            "",
            "Held-out nuclei:",
            "",
            _line("network", "images", *(_title(name) for name in SHOWN)),
            _line(*["---"] * (len(SHOWN) + 2)),
            *(
                _line(name, str(metrics["n_images"]), *(_cell(metrics, score) for score in SHOWN))
                for name, metrics in nuclei.items()
            ),
        ]
    if any(row.runs for row in rows):
        lines += ["", "MLflow runs:", "", _line("network", "seed: run"), _line("---", "---")]
        lines += [_line(row.name, ", ".join(f"{seed}: `{run}`" for seed, run in row.runs.items())) for row in rows]
    return "\n".join(lines) + "\n"


def _row(row: Row) -> str:
    return _line(
        row.name,
        row.what,
        str(row.metrics.get("n_seeds", 1)),
        *(_cell(row.metrics, name) for name in SHOWN),
        _plain(row.metrics["size_bias"]),
        _plain(row.metrics["noise_per_image"]),
        f"{row.training['trainable_parameters']:,}" if row.training else "–",
        f"{row.training['seconds_per_seed']:.0f} s" if row.training else "–",
    )


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _title(name: str) -> str:
    return {"iou": "IoU", "mean_ap": "mean AP 0.5–0.9"}.get(name, name)


def _number(value: float | None) -> float:
    """JSON's null is an undefined score."""
    return math.nan if value is None else value


def _plain(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _interval(metrics: Mapping[str, Any], name: str) -> tuple[float, float]:
    low, high = metrics["interval95"][name]
    return _number(low), _number(high)


def _cell(metrics: Mapping[str, Any], name: str) -> str:
    value = metrics[name]
    if value is None:
        return "–"
    low, high = _interval(metrics, name)
    spread = metrics.get("spread_over_seeds", {}).get(name)
    seeds = f" ± {spread:.2f}" if spread is not None else ""
    return f"{value:.2f}{seeds} [{low:.2f}, {high:.2f}]"
