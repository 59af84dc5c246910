"""Saved views of an experiment on MLflow's page: which columns in which order, and which charts.

By default the page shows no metric or parameter as a column, and a chart of every metric in alphabetical order.
A view is a tag of the experiment; the page lists it under *Views*, and a link opens it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

TAG = "mlflow.sharedViewState."
"""Prefix of a view's key in the name of its tag."""

_NAME = "attributes.`Run Name`"
"""The page's own column, wide enough for the name of a nested run."""

_REST = ("Model metrics", "System metrics")
"""The page's own sections for the remaining charts; a view folds them up."""


@dataclass(frozen=True)
class Section:
    """Charts under one heading.

    Attributes:
        title: the heading.
        kind: `BAR` shows last values, `LINE` values over epochs, `PARALLEL` each run as a line through its parameters.
        metrics: one chart per metric.
        parameters: axes of `PARALLEL`, all numeric: the page leaves out runs with a non-numeric value.
    """

    title: str
    kind: Literal["BAR", "LINE", "PARALLEL"]
    metrics: tuple[str, ...]
    parameters: tuple[str, ...] = ()


@dataclass(frozen=True)
class View:
    """A saved view of an experiment's runs.

    Attributes:
        name: its name on the page.
        metrics: columns; the first ranks the runs, and runs without it, such as a study's own, are left out.
        parameters: columns after them.
        sections: charts, for a view of charts.
        group_by: a tag; columns and charts then show the mean of the runs with the same value.
        nested: sorted by date, newest first, instead of ranked: only then the page nests runs below their parents.
    """

    name: str
    metrics: tuple[str, ...]
    parameters: tuple[str, ...] = ()
    sections: tuple[Section, ...] = ()
    group_by: str | None = None
    nested: bool = False

    @property
    def key(self) -> str:
        """Its key in links."""
        return f"somanet-{self.name.lower().replace(' ', '-')}"

    def link(self, experiment_id: str) -> str:
        """Its address within the page.

        The page's default mode is for language models and does not remember the other one, so the link selects it.
        """
        charts = "&compareRunsMode=CHART" if self.sections else ""
        return f"#/experiments/{experiment_id}/runs?viewStateShareKey={self.key}{charts}&workflowType=machine_learning"


def view_tags(views: Sequence[View]) -> dict[str, str]:
    """Tags of the experiment that make the page list these views, in this order."""
    tags = {}
    for age, view in enumerate(reversed(views)):  # the page lists newest first
        named = {"name": view.name, "createdAt": age, "updatedAt": age, "state": json.dumps(_state(view))}
        tags[f"{TAG}{view.key}"] = json.dumps(named)
    return tags


def _state(view: View) -> dict[str, Any]:
    """The page's stored state of a view; omitted entries keep their defaults."""
    columns = [_column("metrics", key) for key in view.metrics] + [_column("params", key) for key in view.parameters]
    rank = _column("metrics", view.metrics[0])
    state: dict[str, Any] = {
        "searchFilter": "" if view.nested else f"{rank} >= 0",
        "orderByKey": "attributes.start_time" if view.nested else rank,
        "orderByAsc": False,
        "selectedColumns": columns,
        "columnOrder": [_NAME, *columns],
        "columnWidths": {_NAME: 320} | dict(zip(columns, map(_width, view.metrics + view.parameters), strict=True)),
        "runsHiddenMode": "SHOW_ALL",
    }
    if view.group_by:
        by = {"mode": "tag", "groupByData": view.group_by}
        state["groupBy"] = {"aggregateFunction": "average", "groupByKeys": [by]}
    if view.sections:
        state["compareRunSections"] = [_section(one.title, one.kind) for one in view.sections]
        state["compareRunSections"] += [_section(title, None) for title in _REST]
        state["compareRunCharts"] = [_chart(one, metric) for one in view.sections for metric in one.metrics]
        state["isAccordionReordered"] = True  # otherwise the page sorts the sections by name
    return state


def _column(kind: Literal["metrics", "params"], key: str) -> str:
    return f"{kind}.`{key}`"


def _width(key: str) -> int:
    """Width in pixels that fits a column's name and a number with six digits."""
    return max(90, 7 * len(key) + 44)


def _section(title: str, kind: str | None) -> dict[str, Any]:
    return {
        "uuid": title,
        "name": title,
        "display": kind is not None,
        "isReordered": True,
        "deleted": False,
        "isGenerated": kind is None,
        "columns": 1 if kind == "PARALLEL" else 3,
        "cardHeight": 420,
    }


def _chart(section: Section, metric: str) -> dict[str, Any]:
    common = {
        "uuid": f"{section.kind} {metric}",
        "type": section.kind,
        "metricSectionId": section.title,
        "runsCountToCompare": 100,
        "deleted": False,
    }
    if section.kind == "PARALLEL":
        return {**common, "selectedParams": list(section.parameters), "selectedMetrics": [metric]}
    # The page turns a bar that it takes for its own into a line, if the metric has a value per epoch.
    chart = {**common, "isGenerated": section.kind != "BAR", "metricKey": metric, "displayName": metric}
    return chart if section.kind == "BAR" else {**chart, **_LINE}


_LINE = {
    "lineSmoothness": 0,
    "xAxisScaleType": "linear",
    "scaleType": "linear",
    "range": {},
    "xAxisKey": "step",
    "selectedXAxisMetricKey": "",
    "yAxisKey": "metric",
    "yAxisExpressions": [],
    "ignoreOutliers": False,
    "useGlobalXaxisKey": True,
    "useGlobalLineSmoothing": True,
}
"""The settings of a line chart on the page, which does not draw a chart that lacks any of them."""
