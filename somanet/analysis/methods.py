"""The methods of a movie's numbers and of a cohort's comparison in words, for a paper: with parameters and versions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pandas as pd

from somanet.analysis.report.definitions import in_sentence, label_of, terms
from somanet.core.counting import counted
from somanet.core.markdown import plain
from somanet.migration.bounded_difference import TRUE_RANGES
from somanet.migration.groups import BENJAMINI_HOCHBERG, HOLM, PAIRED_T, WELCH
from somanet.migration.pooling import UNITS
from somanet.migration.sampling_warnings import seen_long_enough

REFERENCES = {
    "unet": "Ronneberger O, Fischer P, Brox T. U-Net: convolutional networks for biomedical image segmentation. MICCAI "
    "2015, LNCS 9351, 234–241.",
    "jaqaman": "Jaqaman K et al. Robust single-particle tracking in live-cell time-lapse sequences. Nat Methods 2008, "
    "5, 695–702.",
    "hanisch": "Hanisch KH. Some remarks on estimators of the distribution function of nearest neighbour distance in "
    "stationary spatial point processes. Math Operationsforsch Statist 1984, 15, 409–412.",
    "bootstrap": "Davison AC, Hinkley DV. Bootstrap methods and their application. Cambridge University Press 1997.",
    "hesterberg": "Hesterberg TC. What teachers should know about the bootstrap. Am Stat 2015, 69, 371–386.",
    "welch": "Welch BL. The generalization of 'Student's' problem when several different population variances are "
    "involved. Biometrika 1947, 34, 28–35.",
    "hedges": "Hedges LV. Distribution theory for Glass's estimator of effect size and related estimators. J Educ Stat "
    "1981, 6, 107–128.",
    BENJAMINI_HOCHBERG: "Benjamini Y, Hochberg Y. Controlling the false discovery rate. J R Stat Soc B 1995, "
    "57, 289–300.",
    HOLM: "Holm S. A simple sequentially rejective multiple test procedure. Scand J Stat 1979, 6, 65–70.",
    "statsmodels": "Seabold S, Perktold J. Statsmodels: econometric and statistical modeling with Python. Proc 9th "
    "Python in Science Conf 2010.",
    "scipy": "Virtanen P et al. SciPy 1.0: fundamental algorithms for scientific computing in Python. Nat Methods "
    "2020, 17, 261–272.",
}


def movie_methods(manifest: Mapping[str, Any], summary: Mapping[str, Any]) -> str:
    """The methods of one movie's numbers, as Markdown.

    Args:
        manifest: from :func:`somanet.analysis.manifest.provenance_of`.
        summary: content of `summary.json`.
    """
    movie = manifest["input"]
    cited = ["hanisch", "bootstrap", "hesterberg", "scipy"]
    text = [f"# Methods: {plain(movie['movie'])}", _described(manifest)]
    if manifest.get("tracks_from"):
        text.append(
            f"The tracks were made or corrected by a person or another program ({plain(manifest['tracks_from'])}, "
            f"SHA-256 {manifest.get('tracks_sha256')}); SomaNet measured them."
        )
    else:
        text.append(_segmented(manifest))
        cited = ["unet", "jaqaman", *cited]
    if corrections := manifest.get("corrections"):
        text.append(_edited(corrections))
    text.append(
        f"Of positions, {summary['localisation']['in_words']}; steps faster than "
        f"{_number(summary.get('mobile_threshold_um_per_h'))} µm/h were held to be motion, and runs of them that "
        f"covered {_number(summary.get('least_saltation_um'))} µm or more to be saltations. Settings of the "
        f"measurement: {_settings(manifest['parameters'].get('migrate'))}. "
        f"{counted(summary.get('n_cells', 0), 'cell was', 'cells were')} observed "
        f"{seen_long_enough([(summary.get('definition') or {}).get('min_track_h')])}, or more, and entered the "
        f"summary, {counted(summary.get('n_short', 0), 'was', 'were')} observed more briefly."
    )
    drift = [str(summary.get("drift_removed_from", "none"))]
    text += ["## Definitions", *_definitions(drift), "## Software", _versions(manifest["code"]), *_references(cited)]
    return "\n\n".join(text) + "\n"


def _described(manifest: Mapping[str, Any]) -> str:
    movie = manifest["input"]
    scale = f"{movie['pixel_size_um']:.4g} µm per pixel"
    if movie.get("tracks_only"):
        return (
            f"The tracks of {movie['n_frames']} frames ({scale}), {_rate(movie)}, were measured without images, with "
            f"{_code(manifest)}."
        )
    height, width = movie["shape_YX"]
    return (
        f"The movie ({plain(movie['file'])}, SHA-256 {movie['sha256']}) has {movie['n_frames']} frames of "
        f"{width} × {height} px ({scale}), {_rate(movie)}. It was analysed with {_code(manifest)}."
    )


def _rate(movie: Mapping[str, Any]) -> str:
    """How often a frame was taken, and where the times come from."""
    every = f"one every {movie['frame_interval_min']:.4g} min"
    if movie.get("times"):
        file = movie["times"]
        return f"usually {every}, at the times of {plain(file['file'])} (SHA-256 {file['sha256']})"
    return f"usually {every}, at times of their own" if movie.get("times_h") else every


def _segmented(manifest: Mapping[str, Any]) -> str:
    model, parameters = manifest["model"], manifest["parameters"]
    networks = model.get("ensemble") or [model]
    described = "; ".join(_network(one) for one in networks)
    several = f"by the mean of {len(networks)} networks" if len(networks) > 1 else "by a convolutional network"
    settings = dict(parameters.get("segment") or {})
    if "haze" in settings:
        settings["haze"] = _haze(settings["haze"])
    twice = (
        " Bright somas hid others at least five times dimmer, so frames were segmented a second time, without what is "
        "near an outline and exposed for the rest."
    )
    return (
        f"Somas were segmented in every frame {several} ({described}; {_settings(settings)})."
        f"{twice if manifest.get('second_look') else ''} Each frame was linked to the next by the assignment of least "
        "cost in distance, overlap, shape and intensity (Jaqaman et al. 2008), with these settings: "
        f"{_settings(parameters.get('track'))}."
    )


def _edited(corrections: Mapping[str, Any]) -> str:
    """What a person changed."""
    kinds = ", ".join(f"{kind.replace('_', ' ')} {count}" for kind, count in corrections["applied"].items())
    unfit = f" {corrections['n_unfit']} further edits did not fit and were left out." if corrections["n_unfit"] else ""
    return (
        f"A person then corrected outlines and tracks by {corrections['n_applied']} recorded edits ({kinds}; "
        f"{plain(corrections['file'])}, SHA-256 {corrections['sha256']}), which SomaNet applied to the automatic "
        f"results; {corrections['n_edited_masks']} edited outlines were measured anew.{unfit}"
    )


def _haze(rule: Mapping[str, Any] | None) -> str:
    """Which objects were left out."""
    if rule is None:
        return "kept"
    return f"objects with contrast below {rule['contrast']:g} and confidence below {rule['confidence']:g}, left out"


def _network(model: Mapping[str, Any]) -> str:
    spec = model.get("spec") or {}
    parts = [str(model.get("name") or "network")]
    if spec.get("architecture"):
        encoder = f" with encoder {spec['encoder']}" if spec.get("encoder") else ""
        parts.append(f"{spec['architecture']}{encoder}")
    parts.append(f"SHA-256 of the weights {model.get('sha256')}")
    if "int8" in str((model.get("engine") or {}).get("precision")):
        parts.append("computed in 8 bits")
    if model.get("mlflow_run"):
        parts.append(f"trained in MLflow run {model['mlflow_run']}")
    return ", ".join(parts)


def cohort_methods(
    manifests: Sequence[Mapping[str, Any]],
    comparison: pd.DataFrame,
    *,
    counts: Mapping[str, int],
    reference: str | None,
    code: Mapping[str, Any],
    version: str,
    verdicts: Sequence[str] = (),
    drift: Collection[str] = ("none",),
) -> str:
    """The methods of a cohort's comparison, as Markdown: what was done, and nothing else.

    Args:
        manifests: of its movies.
        comparison: :data:`somanet.analysis.cohort.tables.COMPARISON` of its groups.
        counts: number of ``movies``, ``donors`` (0 if not named), ``cells``, and of movies whose tracks are ``given``,
            made or corrected by a person or another program, or found by SomaNet and ``corrected`` by a person.
        reference: the group that the others are compared with.
        code: commit and versions that computed the comparison.
        version: of SomaNet.
        verdicts: whether saltation numbers hold, a sentence per group.
        drift: what it was removed from in the movies, see :func:`somanet.analysis.report.definitions.terms`.
    """
    intervals = sorted({round(float(one["input"]["frame_interval_min"]), 3) for one in manifests})
    sizes = sorted({float(f"{float(one['input']['pixel_size_um']):.3g}") for one in manifests})
    donors = f" of {counted(counts['donors'], 'donor')}" if counts["donors"] else ""
    combined = (
        f"{counted(counts['movies'], 'movie')}{donors} with {counted(counts['cells'], 'cell')} observed long enough "
        f"were combined with SomaNet {version}{_commit(code)}. Frames are {', '.join(f'{m:g}' for m in intervals)} min "
        f"apart, pixels {' or '.join(f'{size:g}' for size in sizes)} µm. {_whose_tracks(counts)} "
        "How each movie was analysed is in the methods.md of its folder."
    )
    levels = "donors where there are two or more, else movies, else cells" if counts["donors"] else "movies, or cells"
    pooled = (
        "The numbers of several cells are ratios of sums over them, so that cells observed longer count for "
        "more; the correction for the frame interval uses the same sums. Their 95 % intervals are bootstrap intervals "
        f"over the highest level with two units or more ({levels}), by Student's t on a scale without bounds: the "
        "logarithm of positive numbers, the log odds of shares, Fisher's z of cosines."
    )
    if counts["donors"]:
        pooled += " The interval of a group's mean in the figures is that of t over its donors."
    text = ["# Methods: comparison of groups", combined, pooled]
    if verdicts:
        checks = (
            "Whether saltation numbers hold was judged by what all movies of a group show together: numbers with "
            "frames left out, a second detector, cells that keep moving, pauses hidden by frames, and faults of the "
            "tracks."
        )
        text.append(" ".join([checks, *map(plain, verdicts)]))
    cited = ["bootstrap", "hesterberg", "scipy"]
    tested = comparison[comparison["problem"] == ""]
    if len(tested):
        tests, corrections = sorted(set(tested["test"])), sorted(set(tested["correction"]))
        text += [_tested(tested, reference), _sensitivity(tested)]
        cited += ["hedges", *(["welch"] if WELCH in tests else [])]
        cited += ["statsmodels"] if tested["mixed_p"].notna().any() else []
        cited += [name for name in (HOLM, BENJAMINI_HOCHBERG) if any(name in words for words in corrections)]
    failed = comparison[comparison["problem"] != ""]
    if len(failed):
        what = "Nothing was tested." if not len(tested) else "Not tested:"
        text.append("\n".join([what, "", *(f"- {_label(row)}: {plain(row['problem'])}" for row in _rows(failed))]))
    if not len(comparison):
        text.append("No groups were compared.")
    text += ["## Definitions", *_definitions(drift), "## Software", _versions(code), *_references(cited)]
    return "\n\n".join(text) + "\n"


def _whose_tracks(counts: Mapping[str, int]) -> str:
    """Who made the tracks: SomaNet, SomaNet with a person's edits, or somebody else."""
    kinds = {
        "found by SomaNet": counts["movies"] - counts["given"] - counts["corrected"],
        "found by SomaNet and corrected by a person": counts["corrected"],
        "made or corrected by a person or another program": counts["given"],
    }
    found = {words: n for words, n in kinds.items() if n}
    if len(found) == 1:
        return f"All tracks were {''.join(found)}."
    (words, n), *others = found.items()
    each = [f"{counted(n, 'movie has', 'movies have')} tracks that were {words}"]
    each += [f"{n} that were {words}" for words, n in others]
    return f"{', '.join(each[:-1])}, and {each[-1]}."


def _tested(tested: pd.DataFrame, reference: str | None) -> str:
    labels = list(dict.fromkeys(in_sentence(name) for name in tested["number"]))
    corrections = [words for words in sorted(set(tested["correction"])) if words.startswith((HOLM, BENJAMINI_HOCHBERG))]
    paired = (tested["test"] == PAIRED_T).any()
    pairing = " Pairing was asked for: the same donor id in two groups is the same donor." if paired else ""
    ranged = [in_sentence(name) for name in dict.fromkeys(tested["number"]) if name in TRUE_RANGES]
    in_range = (
        f" Intervals and p of {_in_a_row(ranged)} are of the same t, profiled over true means within the range of the "
        "number."
        if ranged
        else ""
    )
    adjusted = (
        f"P values were adjusted by {' and '.join(corrections)}."
        if corrections
        else ("There is one test, so its p value was not adjusted.")
    )
    return (
        f"Groups were compared in {_in_a_row(labels)}, which frame interval, noise and number of cells do not change "
        "as far as validation shows. The unit is the "
        "donor: each counts once with the number of all its cells, and donors for whom a number is undefined are not "
        f"counted. The test is {' and '.join(sorted(set(tested['test'])))}"
        f"{', donors being compared with themselves' if paired else ''}; "
        f"differences are the group less the reference ({plain(str(reference))}), with 95 % intervals and Hedges' g, "
        "the difference over the pooled standard deviation between donors, corrected for small samples."
        f"{in_range} {adjusted}{pairing}"
    )


def _sensitivity(tested: pd.DataFrame) -> str:
    """The checks that were made, each with the comparisons it was made for where that is not all."""
    checks = (
        ("without_one_donor_p", "without each donor in turn"),
        ("difference_by_model", "with the second detector of saltations, a hidden Markov model"),
        ("difference_every_second_frame", "with every second frame left out"),
    )
    done = [f"{words}{_of_these(tested, column)}" for column, words in checks if tested[column].notna().any()]
    fitted = tested[tested["mixed_p"].notna()]
    if len(fitted):
        batches = " and of batches" if fitted["mixed_model"].str.contains("(1 | batch)", regex=False).any() else ""
        done.append(
            f"by a linear mixed model of the movies' numbers with random intercepts of donors{batches}, fitted by "
            "restricted maximum likelihood (statsmodels), with t intervals whose degrees of freedom are those between "
            f"donors{_of_these(tested, 'mixed_p')}"
        )
    return f"Sensitivity: the comparisons were repeated {'; '.join(done)}." if done else "No comparison was repeated."


def _of_these(tested: pd.DataFrame, column: str) -> str:
    known = tested[column].notna()
    return "" if known.all() else f" (of {' and '.join(_label(row) for row in _rows(tested[known]))})"


def _rows(table: pd.DataFrame) -> list[dict[Any, Any]]:
    return table.to_dict("records")


def _label(row: Mapping[Any, Any]) -> str:
    return f"{in_sentence(row['number'])} ({plain(row['reference'])} and {plain(row['group'])})"


def _in_a_row(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else "".join(words)


def _code(manifest: Mapping[str, Any]) -> str:
    return f"SomaNet {manifest['somanet']}{_commit(manifest['code'])}"


def _commit(code: Mapping[str, Any]) -> str:
    if not code.get("commit"):
        return ""
    changed = ", with uncommitted changes" if code.get("uncommitted_changes") else ""
    return f" (commit {code['commit']}{changed})"


def _definitions(drift: Collection[str]) -> list[str]:
    lines = [f"- **{term}.** {meaning}" for term, meaning in terms(drift)]
    for name, unit in UNITS.items():
        label, meaning = label_of(name)
        lines.append(f"- **{label}{f' ({unit})' if unit else ''}.** {meaning}")
    return ["\n".join(lines)]


def _versions(code: Mapping[str, Any]) -> str:
    versions = code.get("versions") or {}
    installed = ", ".join(f"{name} {version}" for name, version in versions.items() if version)
    return f"{'; '.join(filter(None, (installed, code.get('platform'))))}."


def _references(cited: Sequence[str]) -> list[str]:
    return ["## References", "\n".join(f"- {REFERENCES[name]}" for name in dict.fromkeys(cited))]


def _settings(values: Mapping[str, Any] | None) -> str:
    if not values:
        return "none"
    return ", ".join(f"{name} = {'from the movie' if value is None else value}" for name, value in values.items())


def _number(value: Any) -> str:
    return "an unknown number of" if value is None else f"{float(value):.3g}"
