"""The figure: the right panels, marks and texts."""

from __future__ import annotations

import dataclasses
import io

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text

from somanet.training.comparison.figure import BLUE, MAX_NETWORKS, MAX_SCATTERS, ORANGE, comparison_figure
from somanet.training.comparison.networks import ComparedNetwork, Cost
from somanet.training.comparison.pairing import pair_networks
from tests.training.comparison.worlds import metrics, network

EIGHT = [0.5, 0.6, 0.7, 0.8, 0.5, 0.6, 0.7, 0.8]
LOW = dataclasses.replace(network("low", [v - 0.1 for v in EIGHT]), cost=Cost(90, 9121))
HIGH = network("high", EIGHT)


def drawn(figure: Figure) -> bytes:
    """Drawing warns about missing glyphs and layouts that do not fit, and warnings are errors."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=50)
    return buffer.getvalue()


def words(figure: Figure) -> set[str]:
    return {text.get_text() for ax in figure.get_axes() if ax.get_visible() for text in (ax.title, *ax.texts)}


def test_without_pairs_it_shows_scores_with_their_intervals() -> None:
    figure = comparison_figure([ComparedNetwork("one", "", metrics(0.1)), ComparedNetwork("silent", "", metrics(None))])
    axes = figure.get_axes()
    assert [ax.get_title() for ax in axes] == ["IoU", "precision", "accuracy"]
    assert [label.get_text() for label in axes[0].get_yticklabels()] == ["one", "silent"]
    assert [text.get_text() for text in axes[0].texts] == ["0.10"]  # no text for unknown values
    drawn(figure)


def test_differences_ranks_cost_and_images() -> None:
    networks = [LOW, HIGH]
    figure = comparison_figure(networks, pair_networks(networks))
    shown = words(figure)
    assert {"rank by IoU, 1 is best", "Δ IoU", "Δ accuracy", "−0.10", "reference", "90 s, 9.1 k"} <= shown
    assert "low\n▲ 0   ▼ 8" in shown
    axes = {ax.get_title(): ax for ax in figure.get_axes()}
    marks = [line for line in axes["Δ IoU"].lines if line.get_marker() == "v"]
    assert [to_hex(mark.get_markerfacecolor()) for mark in marks] == [ORANGE.lower()]  # filled: p = 0.0078
    points = [line for line in axes["low\n▲ 0   ▼ 8"].lines if line.get_marker() == "v"]
    np.testing.assert_allclose(points[0].get_ydata(), np.array(points[0].get_xdata()) - 0.1)
    drawn(figure)


def test_a_difference_that_may_be_chance_is_hollow() -> None:
    few = [network("b", [0.6, 0.7]), network("a", [0.5, 0.6])]
    figure = comparison_figure(few, pair_networks(few, reference="a"))
    axes = {ax.get_title(): ax for ax in figure.get_axes()}
    [mark] = [line for line in axes["Δ IoU"].lines if line.get_marker() == "^"]
    assert (mark.get_markerfacecolor(), to_hex(mark.get_color())) == ("white", BLUE.lower())
    drawn(figure)


@pytest.mark.parametrize("n_images", [1, 3])
def test_many_networks_become_the_best_and_the_reference(n_images: int) -> None:
    rng = np.random.default_rng(0)
    many = [network(f"a_network_with_a_long_name_{i:02d}", list(rng.random(n_images) / 2)) for i in range(30)]
    worst = network("worst", [0.0] * n_images)
    networks = [*many, worst]
    figure = comparison_figure(networks, pair_networks(networks, reference="worst"))
    labels = [label.get_text() for label in figure.get_axes()[0].get_yticklabels()]
    assert len(labels) == MAX_NETWORKS
    assert labels[0] == "worst"
    assert all(len(label) <= 26 for label in labels)
    assert sum("▼" in ax.get_title() and ax.get_visible() for ax in figure.get_axes()) == MAX_SCATTERS
    assert f"best {MAX_NETWORKS} of 31" in str([part.get_suptitle() for part in figure.subfigs])
    drawn(figure)


def test_no_scatter_where_no_shown_network_has_images_in_common_with_the_reference() -> None:
    many = [dataclasses.replace(network(f"n{i:02d}", [0.9, 0.8]), per_image=None) for i in range(MAX_NETWORKS)]
    networks = [*many, network("first", [0.3, 0.2]), network("second", [0.1, 0.2])]
    figure = comparison_figure(networks, pair_networks(networks, reference="first"))
    assert not any("▲" in ax.get_title() for ax in figure.get_axes())
    assert len(figure.subfigs) == 2
    drawn(figure)


def test_a_name_with_control_characters_or_a_broken_formula_is_drawn() -> None:
    """Between dollar signs matplotlib reads a formula, and fails on this one; its fonts have no escape character."""
    evil = "$\\frac{$ \x1b[31m"
    names = [evil, "other"]
    compared = [network(name, [0.5 + 0.1 * i, 0.6, 0.7]) for i, name in enumerate(names)]
    figure = comparison_figure(compared, pair_networks(compared))
    figure.canvas.draw()
    shown = [text.get_text() for text in figure.findobj(Text)]
    assert any(r"\$\frac{\$ \x1b[31m" in text for text in shown)
