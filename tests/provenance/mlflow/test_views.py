from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from somanet.provenance.mlflow import track_run
from somanet.provenance.mlflow.client import open_client
from somanet.provenance.mlflow.views import TAG, Section, View, view_tags

RANKED = View("Scores", ("a_iou", "seconds"), ("training.rate",))


def state_of(view: View) -> dict[str, Any]:
    """A view as parsed by the page."""
    [saved] = view_tags([view]).values()
    state: dict[str, Any] = json.loads(json.loads(saved)["state"])
    return state


def test_the_store_understands_what_a_view_asks_for(root: Path) -> None:
    """The page passes filter and order to the store, which returns these runs in this order."""
    for name, iou in [("worse", 0.0), ("better", 0.9), ("unscored", None)]:
        with track_run(name, experiment="unit tests", root=root, system_metrics=False) as run:
            run.log_metrics({"seconds": 1.0} if iou is None else {"a_iou": iou})
    client = open_client(root)
    experiment = client.get_experiment_by_name("unit tests")
    assert experiment is not None

    def shown(view: View) -> list[str]:
        state = state_of(view)
        order = f"{state['orderByKey']} {'ASC' if state['orderByAsc'] else 'DESC'}"
        found = client.search_runs([experiment.experiment_id], state["searchFilter"], order_by=[order])
        return [run.info.run_name for run in found]

    assert shown(RANKED) == ["better", "worse"]
    assert shown(View("All", RANKED.metrics, nested=True)) == ["unscored", "better", "worse"]  # the newest first


def test_columns_stand_in_the_order_given_and_are_wide_enough_to_read() -> None:
    state = state_of(RANKED)
    assert state["selectedColumns"] == ["metrics.`a_iou`", "metrics.`seconds`", "params.`training.rate`"]
    assert state["columnOrder"] == ["attributes.`Run Name`", *state["selectedColumns"]]
    widths = state["columnWidths"]
    assert set(widths) == set(state["columnOrder"])
    assert widths["params.`training.rate`"] > widths["metrics.`a_iou`"]


def test_every_chart_belongs_to_a_section_and_the_rest_is_folded() -> None:
    bars = Section("Scores", "BAR", ("a_iou", "a_precision"))
    lines = Section("Curves", "LINE", ("a_iou",))
    parallel = Section("Settings", "PARALLEL", ("a_iou",), ("training.rate",))
    state = state_of(View("All", ("a_iou",), sections=(bars, lines, parallel)))
    sections, charts = state["compareRunSections"], state["compareRunCharts"]
    assert [one["name"] for one in sections if one["display"]] == ["Scores", "Curves", "Settings"]
    assert [one["name"] for one in sections if not one["display"]] == ["Model metrics", "System metrics"]
    assert [(chart["type"], chart["metricSectionId"]) for chart in charts] == [
        ("BAR", "Scores"),
        ("BAR", "Scores"),
        ("LINE", "Curves"),
        ("PARALLEL", "Settings"),
    ]
    # A bar of the page's own becomes a line where the metric has a value per epoch.
    assert [chart.get("isGenerated") for chart in charts] == [False, False, True, None]
    assert {chart["metricSectionId"] for chart in charts} <= {one["uuid"] for one in sections}
    assert len({chart["uuid"] for chart in charts}) == len(charts)
    assert (charts[-1]["selectedParams"], charts[-1]["selectedMetrics"]) == (["training.rate"], ["a_iou"])
    assert "compareRunCharts" not in state_of(RANKED)  # a table's charts are the page's own


def test_seeds_are_averaged_by_a_tag() -> None:
    grouping = state_of(View("Variants", ("a_iou",), group_by="variant"))["groupBy"]
    assert grouping == {
        "aggregateFunction": "average",
        "groupByKeys": [{"mode": "tag", "groupByData": "variant"}],
    }
    assert "groupBy" not in state_of(RANKED)


def test_the_page_lists_views_in_our_order() -> None:
    """It sorts them by age, the newest first."""
    views = [RANKED, View("Nested", ("a_iou",), nested=True), View("Curves", ("a_iou",))]
    saved = [json.loads(value) for value in view_tags(views).values()]
    newest_first = sorted(saved, key=lambda view: view["createdAt"], reverse=True)
    assert [view["name"] for view in newest_first] == ["Scores", "Nested", "Curves"]


@pytest.mark.parametrize("charts", [False, True])
def test_a_link_names_the_view_that_is_stored(charts: bool) -> None:
    view = View("By hand", ("a_iou",), sections=(Section("Scores", "BAR", ("a_iou",)),) if charts else ())
    address, _, query = view.link("7").partition("?")
    assert address == "#/experiments/7/runs"
    asked = dict(part.split("=") for part in query.split("&"))
    assert [f"{TAG}{asked['viewStateShareKey']}"] == list(view_tags([view]))
    assert (asked.get("compareRunsMode") == "CHART") is charts
