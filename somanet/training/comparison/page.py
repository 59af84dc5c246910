"""The comparison as Markdown: scores, paired differences, and the MLflow runs behind them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from somanet.core.markdown import code, plain, table
from somanet.evaluation.image_tables import SCORES
from somanet.evaluation.paired import ALPHA
from somanet.evaluation.resampling import MAX_EXACT, least_p
from somanet.training.comparison import table_cells
from somanet.training.comparison.networks import ComparedNetwork, Cost, title
from somanet.training.comparison.pairing import Pairing

_TIMES: Mapping[str, Callable[[Cost], str]] = {
    "time / seed": lambda cost: table_cells.plain(cost.train_seconds, ".0f", " s"),
    "Mpx / s": lambda cost: table_cells.plain(cost.inference_mpx_per_s, ".2f"),
}
"""Columns of times. They differ each time, so that MLflow runs have them and outputs of stages do not."""


def comparison_markdown(
    networks: Sequence[ComparedNetwork],
    pairing: Pairing | None = None,
    *,
    data: str = "",
    nuclei: Mapping[str, Mapping[str, Any]] | None = None,
    notes: Sequence[str] = (),
) -> str:
    """The comparison as Markdown tables.

    Args:
        networks: the networks to compare.
        pairing: the same networks, compared image by image; None if they have no per-image scores.
        data: short description of the images.
        nuclei: network -> its `metrics.json` on held-out nuclei.
        notes: further sentences to add to the page, as plain text.
    """
    sections = [
        _scores(networks, data),
        _paired(networks, pairing) if pairing else _why_not_paired(networks),
        _interior(networks),
        _nuclei(nuclei or {}),
        _runs(networks),
        _weights(networks),
        [plain(note) for note in notes],
    ]
    return "\n\n".join("\n".join(section) for section in sections if section) + "\n"


def _scores(networks: Sequence[ComparedNetwork], data: str) -> list[str]:
    n_images = networks[0].metrics["n_images"]
    images = f"{data}{': ' * bool(data)}{n_images} image{'s' * (n_images != 1)}"
    costs = [(head, cell) for head, cell in _TIMES.items() if any(cell(n.cost) != "–" for n in networks)]
    head = ["network", "what", "seeds", *map(title, SCORES), "size bias", "noise / image", "trained"]
    return [
        f"{images}. Values are means over seeds; brackets: 95 %",
        "bootstrap interval over images; ±: standard deviation over seeds. Objects match at IoU ≥ 0.5.",
        "",
        table(
            [*head, *(name for name, _ in costs)],
            [[*_row(network), *(cell(network.cost) for _, cell in costs)] for network in networks],
        ),
    ]


def _row(network: ComparedNetwork) -> list[str]:
    metrics, cost = network.metrics, network.cost
    return [
        plain(network.name),
        plain(network.what),
        str(metrics.get("n_seeds", 1)),
        *(table_cells.score(metrics, name) for name in SCORES),
        table_cells.plain(metrics["size_bias"], ".2f"),
        table_cells.plain(metrics["noise_per_image"], ".2f"),
        table_cells.plain(cost.trainable_parameters, ",.0f"),
    ]


def _paired(networks: Sequence[ComparedNetwork], pairing: Pairing) -> list[str]:
    n_images, n_others, differences = len(pairing.images), len(pairing.names) - 1, pairing.differences
    alone = [plain(network.name) for network in networks if network.name not in pairing.names]
    reason = f"the best {title(pairing.deciding)} here" if pairing.chosen else "as named"
    rows = [
        [
            plain(name),
            *(
                "reference" if name == pairing.reference else table_cells.difference(differences[name][score])
                for score in SCORES
            ),
            " ± ".join(table_cells.plain(rank, ".1f") for rank in (pairing.mean_rank(name), pairing.rank_spread(name))),
        ]
        for name in pairing.names
    ]
    return [
        f"Differences from **{plain(pairing.reference)}** ({reason}) in the scores of the table above. Brackets: 95 %",
        "bootstrap interval, resampling the same images for both; p: permutation test that swaps the two networks'",
        f"results per image, corrected by Holm's method for the {n_others} network{'s' * (n_others > 1)} of",
        f"a column; **bold**: p < {ALPHA:g}. {_power(n_images, n_others)} Rank: per image, by",
        f"{title(pairing.deciding)}, mean ± standard deviation over images, 1 is best.",
        *(["The reference was chosen on these images, so differences favour it."] if pairing.chosen else []),
        *([f"Not in this table, for lack of per-image scores: {', '.join(alone)}."] if alone else []),
        "",
        table(["network", *(f"Δ {title(score)}" for score in SCORES), "rank"], rows),
    ]


def _power(n_images: int, n_others: int) -> str:
    """The smallest p that so many images can give."""
    if n_images > MAX_EXACT:
        return f"{n_images} images."
    least = least_p(n_images, n_others)
    words = f"{n_images} image{'s' * (n_images > 1)}: no corrected p can be below {least:.2g}"
    return f"{words}, whatever the networks do." if least >= ALPHA else f"{words}."


def _why_not_paired(networks: Sequence[ComparedNetwork]) -> list[str]:
    if len(networks) < 2:
        return []
    lacking = [plain(network.name) for network in networks if network.per_image is None]
    names = ", ".join(lacking[:5]) + (" …" if len(lacking) > 5 else "")
    return [
        f"Paired differences are not shown: there are no per-image scores of {names}.",
        "`somanet evaluate --per-image` writes them.",
    ]


def _interior(networks: Sequence[ComparedNetwork]) -> list[str]:
    return [
        "Without ground truth and predicted objects that touch the image's edge:",
        "",
        table(
            ["network", *map(title, SCORES)],
            [[plain(n.name), *(table_cells.score(n.metrics["interior"], name) for name in SCORES)] for n in networks],
        ),
    ]


def _nuclei(nuclei: Mapping[str, Mapping[str, Any]]) -> list[str]:
    rows = [
        [plain(name), str(metrics["n_images"]), *(table_cells.score(metrics, score) for score in SCORES)]
        for name, metrics in nuclei.items()
    ]
    return ["Held-out nuclei:", "", table(["network", "images", *map(title, SCORES)], rows)] if rows else []


def _runs(networks: Sequence[ComparedNetwork]) -> list[str]:
    if not any(network.runs for network in networks):
        return []
    rows = [[plain(n.name), ", ".join(f"{seed}: {code(run)}" for seed, run in n.runs.items())] for n in networks]
    return ["MLflow runs:", "", table(["network", "seed: run"], rows)]


def _weights(networks: Sequence[ComparedNetwork]) -> list[str]:
    rows = weights_rows({network.name: network for network in networks if network.weights})
    return ["Weights:", "", table(["network", "seed: SHA-256"], rows), "", FIND_BY_WEIGHTS] if rows else []


FIND_BY_WEIGHTS = (
    "`somanet trace` of a network's folder names the run that trained it; in MLflow's search box: "
    "`tags.weights_sha256 LIKE '…%'`."
)


def weights_rows(networks: Mapping[str, ComparedNetwork]) -> list[list[str]]:
    """Rows of a table: name, and the beginning of the hash of each seed's weights."""
    return [
        [plain(name), ", ".join(f"{seed}: {code(sha256[:12])}" for seed, sha256 in network.weights.items()) or "–"]
        for name, network in networks.items()
    ]
