"""The study as Markdown: every row next to the paper's number, with its difference from the reference."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from somanet.core.markdown import code, plain, table
from somanet.evaluation.paired import ALPHA
from somanet.evaluation.resampling import least_p
from somanet.provenance.mlflow import STUDY
from somanet.training.comparison import table_cells
from somanet.training.comparison.networks import ComparedNetwork
from somanet.training.comparison.page import FIND_BY_WEIGHTS, weights_rows
from somanet.training.comparison.pairing import Pairing
from somanet.training.paper.published import PAPER, PaperResult
from somanet.training.paper.results import THRESHOLD, Result
from somanet.training.paper.settings import StudyParams

_DIGITS = 3  # differences between settings are small
HEAD = (
    "row",
    "what",
    "lr",
    "batch",
    "decay",
    "trained",
    "epochs",
    "loss",
    "train IoU",
    "val IoU",
    "paper: loss",
    "train IoU",
    "val IoU",
    "precision",
    "accuracy",
    "Δ val IoU",
)


def study_markdown(
    params: StudyParams,
    results: Mapping[str, Result],
    threshold: ComparedNetwork,
    pairing: Pairing,
    against_rule: Pairing,
    *,
    figures: Sequence[tuple[str, str]],
    study: str,
) -> str:
    """The page.

    Args:
        params: sections and rows.
        results: row name → its result.
        threshold: the baseline without learning.
        pairing: all of them, image by image, against the study's reference.
        against_rule: the same, against the baseline without learning.
        figures: (title, path relative to the page).
        study: value of the tag of the study's own MLflow run.
    """
    n_images = threshold.metrics["n_images"]
    seeds = max(int(result.network.metrics.get("n_seeds", 1)) for result in results.values())
    blocks = [
        f"# {plain(params.title)}",
        _how_to_read(params, n_images, seeds, len(pairing.names) - 1),
    ]
    for section in params.sections:
        rows = [_row(results[row.name], params.reference, pairing) for row in section.rows]
        blocks += [f"## {plain(section.title)}", table(HEAD, rows)]
    blocks += [
        "## Without learning",
        table(
            ("reference", "what", "IoU", "precision", "recall", "accuracy", f"Δ IoU from {plain(params.reference)}"),
            [_threshold_row(threshold, pairing)],
        ),
        _verdict(params, results, pairing, against_rule),
    ]
    blocks += [f"![{plain(title)}]({quote(path)})" for title, path in figures]
    blocks.append(_sources(results, study))
    return "\n\n".join(block for block in blocks if block) + "\n"


def _how_to_read(params: StudyParams, n_images: int, seeds: int, n_others: int) -> str:
    return (
        f"Validation neurons: {n_images} images; mean of {seeds} seed{'s' * (seeds > 1)}, ± standard deviation over "
        "seeds, brackets: 95 % bootstrap interval over images. Loss: last epoch, on training samples. Train "
        "IoU: on the unaugmented training images; val IoU: foreground, mean over images. Objects match at IoU ≥ 0.5; "
        "all objects count.\n\n"
        "The paper's numbers are for its own images and budget, so only the order of its rows is comparable.\n\n"
        f"Δ: difference of val IoU from **{plain(params.reference)}** on the same images, with its interval; "
        f"**bold**: the interval excludes 0. {_about_p(n_images, n_others)}"
    )


def _about_p(n_images: int, n_others: int) -> str:
    if _can_be_significant(n_images, n_others):
        return f"p: paired permutation test, corrected by Holm's method for {n_others} comparisons."
    return f"No p: {n_images} images cannot give one below {ALPHA:g} in {n_others} comparisons, whatever the scores."


def _can_be_significant(n_images: int, n_others: int) -> bool:
    """Whether a permutation test can reach the level at all with so many images and comparisons."""
    return least_p(n_images, n_others) < ALPHA


def _row(result: Result, reference: str, pairing: Pairing) -> list[str]:
    paper = PAPER[result.row.paper] if result.row.paper else PaperResult("")
    metrics, training = result.network.metrics, result.training
    return [
        plain(result.row.name),
        plain(result.row.what),
        "–" if training is None else f"{training.learning_rate:g}",
        "–" if training is None else str(training.batch_size),
        "–" if training is None else f"{training.weight_decay:g}",
        "0" if training is None else f"{result.network.cost.trainable_parameters:,.0f}",
        "–" if training is None else str(training.epochs),
        table_cells.plain(result.last_loss, ".3f"),
        table_cells.plain(result.train_iou, ".2f"),
        table_cells.score(metrics, "iou"),
        table_cells.plain(paper.loss, ".3f"),
        table_cells.plain(paper.train_iou, ".2f"),
        table_cells.plain(paper.val_iou, ".2f"),
        table_cells.score(metrics, "precision"),
        table_cells.score(metrics, "accuracy"),
        "reference" if result.row.variant == reference else _difference(pairing, result.row.name),
    ]


def _threshold_row(threshold: ComparedNetwork, pairing: Pairing) -> list[str]:
    scores = [table_cells.score(threshold.metrics, name) for name in ("iou", "precision", "recall", "accuracy")]
    return [plain(threshold.name), plain(threshold.what), *scores, _difference(pairing, threshold.name)]


def _verdict(params: StudyParams, results: Mapping[str, Result], pairing: Pairing, against_rule: Pairing) -> str:
    """The best row against the baseline without learning and against the study's reference, on the same images."""
    best = max(results, key=lambda name: results[name].network.metrics["iou"])
    rule = against_rule.differences[best]["iou"]
    parts = [f"from {THRESHOLD} by {table_cells.interval(rule, _DIGITS)}"]
    if best != params.reference:
        parts.append(
            f"from {plain(params.reference)} by {table_cells.interval(pairing.differences[best]['iou'], _DIGITS)}"
        )
    wins = int((pairing.of(best) > pairing.of(THRESHOLD)).sum())
    return (
        f"**{plain(best)}** has the best IoU. It differs {' and '.join(parts)} (95 % interval) and is better than "
        f"{THRESHOLD} on {wins} of {len(pairing.images)} images."
    )


def _sources(results: Mapping[str, Result], study: str) -> str:
    rows = weights_rows({name: result.network for name, result in results.items()})
    tag = code(f"tags.\"{STUDY}\" = '{study}'")
    of_study = f"In MLflow's search box, {tag} finds the study's run; its description says how to find its trainings."
    return "\n\n".join(("## Networks", of_study, table(("row", "seed: SHA-256 of the weights"), rows), FIND_BY_WEIGHTS))


def _difference(pairing: Pairing, name: str) -> str:
    found = pairing.differences[name]["iou"]
    if math.isnan(found.value):
        return "–"
    text = table_cells.interval(found, _DIGITS)
    if _can_be_significant(len(pairing.images), len(pairing.names) - 1):
        text += f", p {found.p_holm:.2g}"
    # Rounded as printed, so that a bound shown as 0 does not count as different from it.
    return f"**{text}**" if round(found.low, _DIGITS) > 0 or round(found.high, _DIGITS) < 0 else text
