"""The cohort's report: one HTML file without network access or scripts."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib import resources
from typing import Any

import pandas as pd

from somanet.analysis.cohort.gather import NOT_ESTIMATED, Cohort
from somanet.analysis.cohort.sensitivity import by_every_second_frame, by_model
from somanet.analysis.report.definitions import MISSING, in_sentence, in_words, label_of, terms
from somanet.analysis.report.downloads import file_name, save_link
from somanet.core.counting import counted
from somanet.core.markdown import to_html
from somanet.io.tables import FLOAT_FORMAT
from somanet.migration.groups import Comparison
from somanet.migration.pooling import UNITS

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
STYLE = """
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(330px, 1fr)); gap: 16px; }
.figures figure { margin: 0; background: #fff; color: #16202b; padding: 10px; }
.figures figure { border: 1px solid var(--line); border-radius: 10px; }
.figures img { width: 100%; height: auto; }
.figures figcaption { font-size: 13px; line-height: 1.45; font-weight: 400; }
.figures .save { background: #fff; color: #16202b; border-color: #b8c2cc; float: right; margin-left: 8px; }
.wide { overflow-x: auto; }
.wide table { border-collapse: collapse; font-size: 12px; min-width: 900px; }
.wide th, .wide td { white-space: normal; overflow-wrap: break-word; }
.wide th:last-child, .wide td:last-child { min-width: 12em; }
.wide th, .wide td { padding: 5px 7px; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
.wide td.n { text-align: right; white-space: nowrap; }
.wide th[scope="row"] { font-weight: 600; position: sticky; left: 0; background: var(--paper); }
.methods { font-size: 13px; }
@media print {
  .figures { display: block; columns: 2; column-gap: 14px; }
  .figures figure { margin-bottom: 14px; }
  .wide table { font-size: 7px; min-width: 0; }
  .wide th, .wide td, .wide td.n { padding: 2px 3px; min-width: 0 !important; }
  .wide th, .wide td, .wide td.n { white-space: normal; overflow-wrap: anywhere; }
  .wide th[scope="row"] { position: static; white-space: nowrap; }
}
"""


def cohort_page(
    cohort: Cohort,
    compared: pd.DataFrame,
    figures: Mapping[str, str],
    methods: str,
    record: Mapping[str, Any],
    *,
    title: str,
) -> str:
    """The page as HTML.

    Args:
        cohort: its content.
        compared: as in `comparison.csv`.
        figures: SVG text by number.
        methods: as in `methods.md`.
        record: of the cohort, for the provenance.
        title: the study's name.
    """
    style = resources.files("somanet.analysis.report").joinpath("style.css").read_text(encoding="utf-8") + STYLE
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<link rel="icon" href="data:,">
<title>{escape(title)} – SomaNet</title>
<style>
{style}</style>
</head>
<body>
<nav class="skip" aria-label="Skip to"><a href="#groups">Groups</a> <a href="#comparisons">Comparisons</a> \
<a href="#movies">Movies</a> <a href="#definitions">Definitions</a></nav>
<header class="top">
<p class="brand">SomaNet <span>cohort report</span></p>
<h1>{escape(title)}</h1>
<dl class="overview">{_overview(cohort)}</dl>
</header>
<main>
{_panel("cautions", "Cautions when reading these numbers", cohort.warnings)}
{_panel("notes", "About these movies", (*cohort.notes, *comparison_notes(cohort)))}
<p class="small muted">{escape(_counts_in_words(cohort))}</p>
<section aria-labelledby="groups"><div class="section-head"><h2 id="groups">Groups</h2></div>
<div class="figures">{_figures(cohort, figures, title)}</div></section>
{_section("comparisons", "Comparisons of donors", _comparisons(cohort), _link(title, "comparison", compared))}
{_section("sensitivity", "Sensitivity", _sensitivity(cohort))}
{_section("donors", "Donors", _levels(cohort, "donors"), _link(title, "donors", cohort.donors))}
{_section("movies", "Movies", _levels(cohort, "movies"), _link(title, "movies", cohort.movies))}
<details class="box" id="definitions"><summary><h2>What every number means</h2></summary>
<dl class="terms">{_definitions(cohort)}</dl></details>
<details class="box" open><summary><h2>Methods, for a paper</h2></summary>
<div class="methods">{to_html(methods, top=3)}</div></details>
<details class="box" id="provenance"><summary><h2>Provenance</h2></summary>{_provenance(record)}</details>
</main>
</body>
</html>
"""


def _overview(cohort: Cohort) -> str:
    summary = cohort.summaries["all"]
    items = {"Movies": str(len(cohort.movies)), "Cells": str(summary.n_cells), "Saltations": str(_n_found(cohort))}
    if summary.n_donors:
        items = {"Donors": str(summary.n_donors), **items}
    if "group" in cohort.movies:
        items = {"Groups": ", ".join(sorted(set(cohort.movies["group"]))), **items}
    if cohort.reference:
        items["Reference"] = cohort.reference
    if cohort.comparisons:
        items["Pairing"] = "by donor" if cohort.paired else "none"
    return "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in items.items())


def _n_found(cohort: Cohort) -> int:
    return sum(result.n_found for result in cohort.results.values())


def _counts_in_words(cohort: Cohort) -> str:
    """The one count of saltations, that of the movies' `saltations.csv`, and those that numbers are based on."""
    found, used = _n_found(cohort), cohort.summaries["all"].n_events
    if not found:
        return "No saltation was found."
    if not used:
        return (
            f"{counted(found, 'saltation was', 'saltations were')} found in all movies, but none counts: no start is "
            "observed in a cell observed long enough."
        )
    return (
        f"{counted(found, 'saltation was', 'saltations were')} found in all movies. The frequency "
        f"counts {used}, those whose start is observed "
        "in a cell observed long enough; the tables of donors and movies give how many of these each has. Each "
        "movie's own report says what becomes of the others."
    )


def _section(name: str, title: str, content: str, link: str = "") -> str:
    """A box with a heading, and a link that saves its table."""
    return (
        f'<section class="box" aria-labelledby="{name}"><div class="section-head"><h2 id="{name}">{title}</h2>{link}'
        f"</div>{content}</section>"
    )


def _link(title: str, name: str, table: pd.DataFrame) -> str:
    """A link that saves a table as the folder of the cohort has it; empty where it has no rows."""
    if not len(table):
        return ""
    content = table.to_csv(index=False, float_format=FLOAT_FORMAT, lineterminator="\n")
    return save_link(file_name(title, name, "csv"), content, "csv", of=f"the table {name}.csv")


def _panel(kind: str, title: str, lines: Sequence[str]) -> str:
    if not lines:
        return ""
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f'<section class="panel {kind}"><h2>{escape(title)}</h2><ul>{items}</ul></section>'


def comparison_notes(cohort: Cohort) -> list[str]:
    """What has to be known of comparisons, each with the groups and numbers that it is said of."""
    found: dict[str, dict[tuple[str, str], list[str]]] = {}
    for one in cohort.comparisons:
        for note in one.notes:
            found.setdefault(note, {}).setdefault(one.groups, []).append(in_sentence(one.number))
    return [f"{note} ({'; '.join(map(_place, where.items()))})" for note, where in found.items()]


def _place(where: tuple[tuple[str, str], Sequence[str]]) -> str:
    groups, labels = where
    return f"{' and '.join(groups)}: {', '.join(labels)}"


def _figures(cohort: Cohort, figures: Mapping[str, str], title: str) -> str:
    parts = []
    for number, svg in figures.items():
        image = base64.b64encode(svg.encode()).decode()
        label = label_of(number)[0]
        link = save_link(file_name(title, number, "svg"), svg, "svg", of=f"the figure {label}")
        lines = "<br>".join(escape(_sentence(one)) for one in cohort.comparisons if one.number == number)
        parts.append(
            f'<figure><img alt="{escape(label)} of cells, movies and donors by group" '
            f'src="data:image/svg+xml;base64,{image}"><figcaption>{link}<b>{escape(label)}.</b> {lines}</figcaption>'
            "</figure>"
        )
    return "".join(parts)


def _sentence(one: Comparison) -> str:
    """The outcome of one comparison in words: difference, interval, test by name, effect size, p, n."""
    if one.problem:
        return one.problem
    unit = f" {UNITS[one.number]}" if UNITS[one.number] else ""
    n = f"{counted(one.n[0], 'pair')}" if one.paired else f"n = {one.n[0]} and {one.n[1]} donors"
    return (
        f"{one.groups[1]} less {one.groups[0]}: {_signed(one.difference)}{unit} ({_interval_in_words(one)}), "
        f"{one.test}, Hedges' g = {_signed(one.hedges_g)}, p = {_p(one.p_value)}, adjusted p = "
        f"{_p(one.p_adjusted)} ({one.correction}), {n}."
    )


def outcome(one: Comparison) -> str:
    """The line of a comparison for a terminal."""
    return f"{label_of(one.number)[0]}: {_sentence(one)}"


COMPARED_HEADS = (
    "Number", "Unit", "Reference", "Group", "n donors", "Means", "Difference", "95 % interval", "Hedges' g", "p",
    "Adjusted p", "Correction", "Test",
)  # fmt: skip
SENSITIVITY_HEADS = (
    "Number", "Groups", "Difference", "Without one donor: from", "to", "greatest p", "without",
    "By the model (second detector)", "With every second frame", "Mixed model", "95 % interval", "p", "Model",
)  # fmt: skip


ID_HEADS = {"movie": "Movie", "group": "Group", "donor": "Donor", "batch": "Batch"}
FACT_HEADS = {
    "corrected": "Tracks given or corrected",
    "pixel_size_um": "Pixel size (µm)",
    "frame_interval_min": "Frame interval (min)",
    "noise_um": "Localisation error (µm)",
    "observed_h": "Cells seen for (h)",
    "density_per_mm2": "Cells per mm²",
    "n_movies": "Movies",
    "n_cells": "Cells",
    "n_short": "Cells seen too briefly",
    "n_events": "Saltations counted",
    "intervals_over": "Intervals over",
}
"""Columns of the tables of donors and movies, in words, in their order."""


def _comparisons(cohort: Cohort) -> str:
    if not cohort.comparisons:
        return "<p>No groups were compared: give --conditions with groups and donors, and --reference.</p>"
    return _table("comparisons", COMPARED_HEADS, map(_compared, cohort.comparisons))


def _compared(one: Comparison) -> tuple[str, ...]:
    n, means = f"{one.n[0]} / {one.n[1]}", f"{in_words(one.means[0])} / {in_words(one.means[1])}"
    row = (label_of(one.number)[0], UNITS[one.number], *one.groups, n, means, _signed(one.difference))
    if one.problem:
        return (*row, *(MISSING,) * 5, one.problem)
    interval, p = _interval_of(one.low, one.high), (_p(one.p_value), _p(one.p_adjusted))
    return (*row, interval, _signed(one.hedges_g), *p, one.correction, one.test)


def _sensitivity(cohort: Cohort) -> str:
    tested = [one for one in cohort.comparisons if not one.problem]
    if not tested:
        return "<p>Nothing was tested.</p>"
    hint = (
        "<p class='small muted'>A result to rely on keeps its sign without any one donor, by the second detector, and "
        "in the mixed model.</p>"
    )
    return hint + _table("sensitivity", SENSITIVITY_HEADS, (_checked(cohort, one) for one in tested))


def _checked(cohort: Cohort, one: Comparison) -> tuple[str, ...]:
    out, mixed = one.leave_one_out, one.mixed
    without: tuple[str, ...] = (*(MISSING,) * 3, "too few donors")
    if out is not None:
        without = (_signed(out.low), _signed(out.high), _p(out.p_value), out.donor)
    fitted: tuple[str, ...] = (*(MISSING,) * 3, mixed.problem)
    if not mixed.problem:
        fitted = (_signed(mixed.difference), _interval_of(mixed.low, mixed.high), _p(mixed.p_value), mixed.terms)
    pair = f"{one.groups[1]} less {one.groups[0]}"
    others = _signed(by_model(cohort, one)), _signed(by_every_second_frame(cohort, one))
    return (label_of(one.number)[0], pair, _signed(one.difference), *without, *others, *fitted)


def _interval_of(low: float, high: float) -> str:
    return f"{_signed(low)} to {_signed(high)}" if math.isfinite(low) else MISSING


def _interval_in_words(one: Comparison) -> str:
    if not math.isfinite(one.low):
        return "its 95 % interval is not estimated: it would be nearly all differences that there can be"
    return f"95 % interval {_signed(one.low)} to {_signed(one.high)}"


def _levels(cohort: Cohort, level: str) -> str:
    table = cohort.donors if level == "donors" else cohort.movies
    if not len(table):
        return "<p>None are named.</p>"
    ids = [name for name in ID_HEADS if name in table]
    facts = [name for name in FACT_HEADS if name in table]
    numbers = list(dict.fromkeys(one.number for one in cohort.comparisons)) or [
        name for name in UNITS if "corrected" in name
    ]
    heads = [*(ID_HEADS[name] for name in ids), *(FACT_HEADS[name] for name in facts)]
    heads += [f"{label_of(name)[0]}{f' ({UNITS[name]})' if UNITS[name] else ''}" for name in numbers]
    whole = {name for name in facts if pd.api.types.is_integer_dtype(table[name])}
    rows = []
    for row in table.to_dict("records"):
        cells = [str(row[name]) for name in ids]
        cells += [_fact(name, row[name], whole=name in whole) for name in facts]
        rows.append((*cells, *(_interval(row, name) for name in numbers)))
    return _table(level, heads, rows)


def _fact(name: str, value: Any, *, whole: bool) -> str:
    if name == "corrected":
        return "yes" if value else "no"
    if name == "intervals_over":
        return f"{value}s"
    return str(value) if whole else in_words(float(value))


def _table(name: str, heads: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of the section ``name``, whose heading is its name; it can be scrolled by keys."""
    head = "".join(f'<th scope="col">{escape(str(name))}</th>' for name in heads)
    body = "".join(f'<tr><th scope="row">{escape(first)}</th>{"".join(map(_cell, rest))}</tr>' for first, *rest in rows)
    return (
        f'<div class="wide" tabindex="0" role="region" aria-labelledby="{name}"><table aria-labelledby="{name}">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _cell(value: str) -> str:
    number = value[:1].isdigit() or value[:1] in "+−"
    return f"<td{' class=n' if number else ''}>{escape(value)}</td>"


def _interval(row: Mapping[Any, Any], name: str) -> str:
    """A number of a row with its interval, or a dash with the reason: no number is shown as if it were sure."""
    if reason := row[f"{name}_{NOT_ESTIMATED}"]:
        return f"{MISSING} (not estimated: {reason})"
    return f"{in_words(row[name])} ({in_words(row[f'{name}_low'])} to {in_words(row[f'{name}_high'])})"


def _signed(value: float) -> str:
    return f"+{in_words(value)}" if value > 0 else in_words(value)


def _p(value: float) -> str:
    if not math.isfinite(value):
        return MISSING
    return "< 0.0001" if value < 1e-4 else f"{value:.2g}"


def _definitions(cohort: Cohort) -> str:
    defined = [*terms(cohort.drift), *(label_of(name) for name in UNITS)]
    return "".join(f"<div><dt>{escape(term)}</dt><dd>{escape(meaning)}</dd></div>" for term, meaning in defined)


def _provenance(record: Mapping[str, Any]) -> str:
    from somanet.analysis.report.sections import provenance

    return provenance(record)
