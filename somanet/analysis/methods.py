"""The methods of a movie's numbers and of a cohort's comparison in words, for a paper: with parameters and versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from somanet.analysis.report.definitions import METHODS, label_of
from somanet.migration.groups import BENJAMINI_HOCHBERG, HOLM, PAIRED_T, WELCH, Comparison
from somanet.migration.summary import UNITS

REFERENCES = {
    "unet": "Ronneberger O, Fischer P, Brox T. U-Net: convolutional networks for biomedical image segmentation. MICCAI "
    "2015, LNCS 9351, 234–241.",
    "laptrack": "Fukai YT, Kawaguchi K. LapTrack: linear assignment particle tracking with tunable metrics. "
    "Bioinformatics 2023, 39, btac799.",
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
    height, width = movie["shape_YX"]
    cited = ["hanisch", "bootstrap", "hesterberg", "scipy"]
    described = (
        f"The movie ({movie['file']}, SHA-256 {movie['sha256']}) has {movie['n_frames']} frames of {width} × {height} "
        f"px ({movie['pixel_size_um']:.4g} µm per pixel), one every {movie['frame_interval_min']:.4g} min. It was "
        f"analysed with {_code(manifest)}."
    )
    text = [f"# Methods: {movie['movie']}", described]
    if manifest.get("tracks_from"):
        text.append(
            f"The tracks were made or corrected by a person or another program ({manifest['tracks_from']}, SHA-256 "
            f"{manifest.get('tracks_sha256')}); SomaNet measured them."
        )
    else:
        text.append(_segmented(manifest))
        cited = ["unet", "laptrack", *cited]
    text.append(
        f"Of positions, {summary['localisation']['in_words']}; steps faster than "
        f"{_number(summary.get('mobile_threshold_um_per_h'))} µm/h were held to be motion, and runs of them that "
        f"covered {_number(summary.get('least_saltation_um'))} µm or more to be saltations. Settings of the "
        f"measurement: {_settings(manifest['parameters'].get('migrate'))}. {summary.get('n_cells', 0)} cells were "
        f"observed for 4 h or 12 frames and are summarised, {summary.get('n_short', 0)} were observed more briefly."
    )
    text += ["## Definitions", *_definitions(), "## Software", _versions(manifest["code"]), *_references(cited)]
    return "\n\n".join(text) + "\n"


def _segmented(manifest: Mapping[str, Any]) -> str:
    model, parameters = manifest["model"], manifest["parameters"]
    networks = model.get("ensemble") or [model]
    described = "; ".join(_network(one) for one in networks)
    several = f"by the mean of {len(networks)} networks" if len(networks) > 1 else "by a convolutional network"
    return (
        f"Somas were segmented in every frame {several} ({described}; {_settings(parameters.get('segment'))}). Each "
        "frame was linked to the next by the assignment of least cost in distance, overlap, shape and intensity "
        f"(LapTrack), with these settings: {_settings(parameters.get('track'))}."
    )


def _network(model: Mapping[str, Any]) -> str:
    spec = model.get("spec") or {}
    parts = [str(model.get("name") or "network")]
    if spec.get("architecture"):
        encoder = f" with encoder {spec['encoder']}" if spec.get("encoder") else ""
        parts.append(f"{spec['architecture']}{encoder}")
    parts.append(f"SHA-256 of the weights {model.get('sha256')}")
    if model.get("mlflow_run"):
        parts.append(f"trained in MLflow run {model['mlflow_run']}")
    return ", ".join(parts)


def cohort_methods(
    manifests: Sequence[Mapping[str, Any]],
    comparisons: Sequence[Comparison],
    *,
    counts: Mapping[str, int],
    reference: str | None,
    paired: bool,
    code: Mapping[str, Any],
    version: str,
) -> str:
    """The methods of a cohort's comparison, as Markdown.

    Args:
        manifests: of its movies.
        comparisons: of its groups.
        counts: number of ``movies``, ``donors`` (0 if not named), ``cells``, and ``corrected`` movies.
        reference: the group that the others are compared with.
        paired: whether donors are compared with themselves.
        code: commit and versions that computed the comparison.
        version: of SomaNet.
    """
    intervals = sorted({round(float(one["input"]["frame_interval_min"]), 3) for one in manifests})
    donors = f" of {counts['donors']} donors" if counts["donors"] else ""
    combined = (
        f"{counts['movies']} movies{donors} with {counts['cells']} cells observed long enough were combined with "
        f"SomaNet {version}{_commit(code)}. Frames are {', '.join(f'{m:g}' for m in intervals)} min apart. The tracks "
        f"of {counts['corrected']} movies were made or corrected by a person; those of the others are the program's. "
        "How each movie was analysed is in the methods.md of its folder."
    )
    pooled = (
        "Numbers of a movie, donor or group are ratios of sums over its cells, so that cells observed longer count for "
        "more; the correction for the frame interval uses the same sums. Intervals of movies and donors are bootstrap "
        "intervals over the highest level with two units or more (cells, movies), the estimate ± t(n − 1)·√(n/(n − 1)) "
        "bootstrap standard errors; the interval of a group's mean in the figures is that of t over its donors."
    )
    text = ["# Methods: comparison of groups", combined, pooled]
    cited = ["bootstrap", "hesterberg", "scipy"]
    if comparisons:
        numbers = list(dict.fromkeys(one.number for one in comparisons))
        tests = {one.test for one in comparisons if one.test}
        corrections = {one.correction for one in comparisons if one.correction}
        text.append(
            f"Groups were compared in {', '.join(label_of(name)[0].lower() for name in numbers)}, numbers that are "
            "corrected for what frames hide. The unit is the donor: each counts once with the number of all its cells, "
            "and donors for whom a number is undefined are not counted. The test is "
            f"{' and '.join(sorted(tests)) or 'none, for the reasons given'}"
            f"{', donors being compared with themselves' if paired else ''}; differences are the group less the "
            f"reference ({reference}), with 95 % intervals and Hedges' g, the difference over the pooled standard "
            "deviation between donors, corrected for small samples. "
            f"P values were adjusted by {' and '.join(sorted(corrections)) or 'no correction'}. Groups of different "
            "frame intervals were not compared."
        )
        text.append(
            "Sensitivity: every comparison was repeated without each donor; with the second detector of saltations, a "
            "hidden Markov model; with every second frame left out, where the movies were measured so; and by a linear "
            "mixed model of the movies' numbers with random intercepts of donors (and of batches, where they are "
            "named), fitted by restricted maximum likelihood (statsmodels), with t intervals whose degrees of freedom "
            "are those between donors."
        )
        cited += ["hedges", "statsmodels", *(["welch"] if WELCH in tests else [])]
        cited += [name for name in (HOLM, BENJAMINI_HOCHBERG) if any(name in words for words in corrections)]
        if PAIRED_T in tests:
            text.append("Pairing was asked for: the same donor id in two groups is the same donor.")
    else:
        text.append("No groups were compared.")
    text += ["## Definitions", *_definitions(), "## Software", _versions(code), *_references(cited)]
    return "\n\n".join(text) + "\n"


def _code(manifest: Mapping[str, Any]) -> str:
    return f"SomaNet {manifest['somanet']}{_commit(manifest['code'])}"


def _commit(code: Mapping[str, Any]) -> str:
    if not code.get("commit"):
        return ""
    changed = ", with uncommitted changes" if code.get("uncommitted_changes") else ""
    return f" (commit {code['commit']}{changed})"


def _definitions() -> list[str]:
    lines = [f"- **{term}.** {meaning}" for term, meaning in METHODS]
    for name, unit in UNITS.items():
        label, meaning = label_of(name)
        lines.append(f"- **{label}{f' ({unit})' if unit else ''}.** {meaning}")
    return ["\n".join(lines)]


def _versions(code: Mapping[str, Any]) -> str:
    versions = code.get("versions") or {}
    installed = ", ".join(f"{name} {version}" for name, version in versions.items() if version)
    return f"{installed}; {code.get('platform')}."


def _references(cited: Sequence[str]) -> list[str]:
    return ["## References", "\n".join(f"- {REFERENCES[name]}" for name in dict.fromkeys(cited))]


def _settings(values: Mapping[str, Any] | None) -> str:
    if not values:
        return "none"
    return ", ".join(f"{name} = {'from the movie' if value is None else value}" for name, value in values.items())


def _number(value: Any) -> str:
    return "an unknown number of" if value is None else f"{float(value):.3g}"
