"""Groups of donors: each donor once, pairs only when asked for, several groups, and error rates under equal truth."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import special, stats

from somanet.core.errors import SomaNetError
from somanet.migration.cells import migration_of
from somanet.migration.direction import resultant_without_chance
from somanet.migration.groups import COMPARED, PAIRED_T, WELCH, compare_cohort, compare_groups
from somanet.migration.pooling import UNITS
from somanet.migration.verdict_names import FAIL, HOLD, UNTOLD, VERDICT
from somanet.simulation.settings import NeuronSettings
from tests.migration.test_summary import cells
from tests.migration.worlds import simulated

NUMBER = "frequency_per_h"


def grouped(shared: bool = False, **groups: list[float]) -> pd.DataFrame:
    """Donors of given frequencies, four cells in two movies each."""
    parts = [
        cells([f] * 4, group=group, donor=f"{'' if shared else group}{i}").assign(
            movie=[f"{group}{i}{m}" for m in (0, 0, 1, 1)]
        )
        for group, side in groups.items()
        for i, f in enumerate(side)
    ]
    return pd.concat(parts, ignore_index=True)


def test_groups_are_compared_by_donor() -> None:
    """Three donors each, 0.3 0.4 0.5 and 0.6 0.8 1.0: Welch's t; g = 0.4/√((0.01 + 0.04)/2)·(1 - 3/15)."""
    found = compare_groups(
        grouped(control=[0.3, 0.4, 0.5], patient=[0.6, 0.8, 1.0]), number=NUMBER, reference="control"
    )
    expected = stats.ttest_ind([0.6, 0.8, 1.0], [0.3, 0.4, 0.5], equal_var=False)
    assert found.problem == ""
    assert found.test == WELCH
    assert found.n == (3, 3)
    assert found.difference == pytest.approx(0.4)
    assert found.p_value == pytest.approx(expected.pvalue)
    assert found.low == pytest.approx(expected.confidence_interval().low)
    assert found.hedges_g == pytest.approx(0.4 / math.sqrt(0.025) * 0.8)
    assert not found.paired
    assert len(found.donors) == 6
    assert found.donors["n_movies"].tolist() == [2] * 6


def test_movies_that_do_not_support_saltations_are_counted_beside_their_comparison() -> None:
    """One of six movies of the control and two of the patients; a direction does not rest on saltations."""
    table = grouped(control=[0.3, 0.4, 0.5], patient=[0.6, 0.8, 1.0])
    table.loc[table["movie"].isin(["control10", "patient01", "patient20"]), "saltations_supported"] = 0
    rests, apart = (
        compare_groups(table, number=number, reference="control") for number in (NUMBER, "velocity_along_um_per_h")
    )
    assert any("not supported by 1 of 6 movies of control and 2 of 6 movies of patient" in one for one in rests.notes)
    assert apart.notes == ()
    table[VERDICT] = table["movie"].map({"control10": UNTOLD, "patient01": FAIL, "patient20": UNTOLD}).fillna(HOLD)
    [note] = compare_groups(table, number=NUMBER, reference="control").notes
    assert note.startswith(
        "Saltation numbers do not hold in 1 of 6 movies of patient and whether saltation numbers hold cannot be told "
        "of 1 of 6 movies of control and 1 of 6 movies of patient: a difference"
    )


def test_ids_in_both_groups_are_paired_only_when_asked_for() -> None:
    """Each donor falls by 0.1, 0.1, 0.13: clear in pairs, lost between donors from 0.3 to 1.2."""
    table = grouped(shared=True, control=[0.3, 0.8, 1.2], drug=[0.2, 0.7, 1.07])
    apart = compare_groups(table, number=NUMBER, reference="control")
    assert apart.test == WELCH
    assert apart.p_value == pytest.approx(stats.ttest_ind([0.2, 0.7, 1.07], [0.3, 0.8, 1.2], equal_var=False).pvalue)
    assert "--paired donor" in apart.notes[0]
    pairs = compare_groups(table, number=NUMBER, reference="control", paired=True)
    assert pairs.test == PAIRED_T
    assert pairs.p_value == pytest.approx(stats.ttest_rel([0.2, 0.7, 1.07], [0.3, 0.8, 1.2]).pvalue)
    assert pairs.difference == pytest.approx(-0.11)
    assert pairs.notes == ()


def test_in_pairs_donors_of_one_group_only_do_not_count() -> None:
    table = grouped(shared=True, control=[0.3, 0.8, 1.2, 9.0], drug=[0.2, 0.7, 1.07])
    found = compare_groups(table, number=NUMBER, reference="control", paired=True)
    assert found.n == (3, 3)
    assert found.means[0] == pytest.approx(np.mean([0.3, 0.8, 1.2]))
    assert "donors 3" in found.notes[0]


def test_donors_without_the_number_do_not_count() -> None:
    """A donor whose cells never saltate has a frequency of 0 and no length."""
    table = grouped(control=[0.3, 0.4, 0.5], patient=[0.6, 0.8, 1.0])
    table["complete_um"] += np.arange(len(table))
    table.loc[table["donor"] == "patient1", ["n_complete", "complete_um"]] = 0
    found = compare_groups(table, number="mean_length_um", reference="control")
    assert found.n == (3, 2)
    assert "patient1 of patient" in found.notes[0]
    assert found.donors["value"].isna().sum() == 1


@pytest.mark.parametrize(
    ("table", "paired", "words"),
    [
        (grouped(control=[0.3], patient=[0.6, 0.8]), False, "control has 1"),
        (grouped(shared=True, control=[0.3, 0.4], patient=[0.6, 0.8]).replace({"donor": {"1": "x"}}), True, ""),
        (grouped(control=[0.3, 0.4], patient=[0.6, 0.8]), True, "0 donors have this number in both"),
        (grouped(control=[0.5, 0.5], patient=[0.7, 0.7]), False, "do not vary"),
    ],
)
def test_what_cannot_be_compared_says_so(table: pd.DataFrame, paired: bool, words: str) -> None:
    found = compare_groups(table, number=NUMBER, reference="control", paired=paired)
    assert words in found.problem
    assert bool(found.problem) == bool(words)
    if words:
        assert all(math.isnan(v) for v in (found.low, found.high, found.hedges_g, found.p_value))
        assert found.test == ""
        assert found.mixed.problem


def test_groups_of_different_frame_intervals_are_not_compared() -> None:
    """Ten and twenty minutes in either group; 10.003 min is 10 min."""
    table = grouped(control=[0.3, 0.4, 0.5], patient=[0.6, 0.8, 1.0])
    for slow in (table["group"] == "patient", table["donor"].isin(["control0", "patient0"])):
        found = compare_groups(
            table.assign(frame_interval_h=np.where(slow, 1 / 3, 1 / 6)), number=NUMBER, reference="control"
        )
        assert "different frame intervals" in found.problem
        assert "20 min" in found.problem
        assert math.isnan(found.p_value)
    close = table.assign(frame_interval_h=np.where(table["group"] == "patient", 10.003 / 60, 10 / 60))
    assert compare_groups(close, number=NUMBER, reference="control").problem == ""


def test_leaving_out_each_donor() -> None:
    """Without 1.9 the patients' mean falls from 1.1 to 0.7, without 0.6 it rises to 1.35; the controls' is 0.4."""
    found = compare_groups(
        grouped(control=[0.3, 0.4, 0.5], patient=[0.6, 0.8, 1.9]), number=NUMBER, reference="control"
    )
    assert found.leave_one_out is not None
    assert (found.leave_one_out.low, found.leave_one_out.high) == pytest.approx((0.3, 0.95))
    without = [
        stats.ttest_ind(np.delete([0.6, 0.8, 1.9], i), np.delete([0.3, 0.4, 0.5], j), equal_var=False).pvalue
        for i, j in [(0, []), (1, []), (2, []), ([], 0), ([], 1), ([], 2)]
    ]
    assert found.leave_one_out.p_value == pytest.approx(max(without))
    few = compare_groups(grouped(control=[0.3, 0.4], patient=[0.6, 0.8]), number=NUMBER, reference="control")
    assert few.leave_one_out is None


def test_two_groups_are_corrected_for_the_numbers_by_benjamini_and_hochberg() -> None:
    """The larger of two p stays, the smaller doubles, but not beyond the larger."""
    table = grouped(control=[0.3, 0.4, 0.5], patient=[0.6, 0.8, 1.0])
    numbers = ("frequency_per_h", "pause_fraction")
    found = compare_cohort(table, reference="control", numbers=numbers)
    p = np.array([one.p_value for one in found])
    assert [one.p_adjusted for one in found] == pytest.approx(list(stats.false_discovery_control(p)))
    assert {one.correction for one in found} == {"Benjamini-Hochberg over 2 tests"}


def test_three_groups_are_compared_in_all_pairs_by_holm() -> None:
    table = grouped(wild=[0.6, 0.8, 1.0], drug=[0.5, 0.55, 0.7], control=[0.3, 0.4, 0.5])
    found = compare_cohort(table, reference="control", numbers=(NUMBER,))
    assert [one.groups for one in found] == [("control", "drug"), ("control", "wild"), ("drug", "wild")]
    p = np.array([one.p_value for one in found])
    order = np.argsort(p)
    expected = np.empty(3)
    expected[order] = np.minimum(np.maximum.accumulate(p[order] * [3, 2, 1]), 1)
    assert [one.p_adjusted for one in found] == pytest.approx(list(expected))
    assert {one.correction for one in found} == {"Holm over 3 tests"}


def test_numbers_that_noise_and_frames_change_are_not_compared() -> None:
    raw = {"frequency_per_h", "mean_length_um", "mean_duration_h", "mobile_speed_um_per_h", "mean_pause_h"}
    raw |= {"pause_fraction", "average_speed_um_per_h", "straightness", "saltating_share"}
    assert set(COMPARED) <= set(UNITS) - raw


def test_misnamed_comparisons_are_refused() -> None:
    table = grouped(control=[0.3, 0.4], patient=[0.5, 0.6])
    for change, words in [
        ({"number": "velocity"}, "no number"),
        ({"reference": "controls"}, "two groups"),
    ]:
        with pytest.raises(SomaNetError, match=words):
            compare_groups(table, **({"number": NUMBER, "reference": "control"} | change))
    with pytest.raises(SomaNetError, match="lack"):
        compare_groups(table.drop(columns="donor"), number=NUMBER, reference="control")


def donor(settings: NeuronSettings, *, seed: int, sigma_um: float = 0.5) -> pd.DataFrame:
    """Twelve cells of a donor, whose mean pause and length are 10 % off those of the group."""
    z = np.random.default_rng(seed).standard_normal(2)
    own = replace(
        settings,
        pause_mean_h=settings.pause_mean_h * math.exp(0.1 * z[0]),
        jump_length_um=settings.jump_length_um * math.exp(0.1 * z[1]),
    )
    tracks, _ = simulated(seed=seed, n_cells=12, hours=10.0, sigma_um=sigma_um, settings=own)
    return migration_of(tracks).cells.assign(donor=f"d{seed}", movie=f"m{seed}")


def experiments(n: int, **patients: float) -> pd.DataFrame:
    """p and difference of each compared number in experiments of five donors a group."""
    control = NeuronSettings(motile_fraction=1.0, pause_jitter_um=0.0)
    patient = replace(control, **patients)
    rows = []
    for i in range(n):
        sides = [
            donor(settings, seed=1000 * i + 10 * side + k).assign(group=group)
            for side, (group, settings) in enumerate((("control", control), ("patient", patient)))
            for k in range(5)
        ]
        found = compare_cohort(pd.concat(sides, ignore_index=True), reference="control")
        rows += [(one.number, one.p_value, one.difference, one.mixed.problem) for one in found]
    return pd.DataFrame(rows, columns=["number", "p", "difference", "mixed_problem"])


def directed(rng: np.random.Generator, n: int, *, kappa: float, name: str) -> pd.DataFrame:
    """Cells of a donor who move 5 µm/h in a direction of their own, about the axis; a donor's concentration differs."""
    own = kappa * math.exp(0.3 * rng.standard_normal())
    angle = rng.vonmises(0.0, own, n) if kappa else rng.uniform(-math.pi, math.pi, n)
    cosine, sine = np.cos(angle), np.sin(angle)
    return cells([0.5] * n, donor=name, n_headings=1, heading_cosine=cosine, heading_sine=sine).assign(
        velocity_along_um_per_h=5 * cosine
    )


@pytest.mark.parametrize("kappa", [0.0, 1.0])
@pytest.mark.parametrize("donors", [3, 4, 8])
def test_equal_directions_are_found_different_as_often_as_chance_has_it(kappa: float, donors: int) -> None:
    """Donors of 8 cells against donors of 16, 4000 experiments: 0.03 to 0.065; raw R of random ones goes beyond it."""
    rng = np.random.default_rng(1)
    raw, corrected = [], []
    for n in (8, 2 * 8):
        own = kappa * np.exp(0.3 * rng.standard_normal((4000, donors, 1))) * np.ones((1, 1, n))
        angles = rng.vonmises(0.0, own) if kappa else rng.uniform(-math.pi, math.pi, own.shape)
        raw.append(np.abs(np.exp(1j * angles).mean(axis=2)))
        corrected.append(resultant_without_chance(raw[-1], np.full(raw[-1].shape, float(n))))
    rates = [(stats.ttest_ind(*sides, axis=1, equal_var=False).pvalue < 0.05).mean() for sides in (raw, corrected)]
    assert 0.025 < rates[1] < 0.065
    if not kappa:
        assert rates[0] > 0.065


def test_r_of_donors_with_many_more_cells_is_not_compared() -> None:
    """Donors of 8 cells against donors of 20: their cosines can be compared, and R of equal numbers."""
    rng = np.random.default_rng(3)
    for n, words in ((20, "has 8 and patient has 20 cells per donor"), (16, "")):
        table = pd.concat(
            [
                directed(rng, size, kappa=1.0, name=f"{group}{i}").assign(group=group)
                for group, size in (("control", 8), ("patient", n))
                for i in range(2)
            ],
            ignore_index=True,
        )
        found = compare_groups(table, number="resultant_corrected", reference="control")
        assert words in found.problem
        assert bool(found.problem) == bool(words) == math.isnan(found.p_value)
        assert compare_groups(table, number="mean_cosine", reference="control").problem == ""


def test_a_direction_that_one_group_has_is_found() -> None:
    """Mean cosine and R are I₁(2)/I₀(2) = 0.70 in one group and 0 in the other; 240 cosines of each err by 0.05."""
    rng = np.random.default_rng(2)
    table = pd.concat(
        [
            directed(rng, 60, kappa=kappa, name=f"{group}{i}").assign(group=group, movie=f"{group}{i}")
            for group, kappa in (("control", 0.0), ("patient", 2.0))
            for i in range(4)
        ],
        ignore_index=True,
    )
    compared = {one.number: one for one in compare_cohort(table, reference="control")}
    for name in ("velocity_along_um_per_h", "mean_cosine", "resultant_corrected"):
        assert compared[name].p_adjusted < 0.05, name
    expected = special.iv(1, 2.0) / special.iv(0, 2.0)
    assert compared["resultant_corrected"].difference == pytest.approx(expected, abs=0.17)
    assert compared["mean_cosine"].difference == pytest.approx(expected, abs=0.17)


@pytest.mark.slow
def test_equal_frequencies_of_shorter_jumps_are_not_found_different() -> None:
    """Lengths × 0.6, with pauses so much longer that jumps are as frequent: 60 experiments, at most 7 % and chance.

    The chance of more than 9 of 60 at a true rate of 7 % is below 1 %; the lengths themselves must be found shorter.
    """
    pause = 1.5 + 0.4 * 25 / 75
    found = experiments(60, jump_length_um=15.0, pause_mean_h=pause)
    false = found[(found["number"] == "frequency_corrected_per_h") & (found["p"] < 0.05)]
    assert len(false) <= stats.binom.isf(0.01, 60, 0.07)
    lengths = found[found["number"] == "mean_length_corrected_um"]
    assert ((lengths["p"] < 0.05) & (lengths["difference"] < 0)).mean() > 0.95


@pytest.mark.slow
def test_equal_groups_are_found_different_as_often_as_chance_has_it() -> None:
    found = experiments(60)
    for _, one in found.groupby("number"):
        assert (one["p"] < 0.05).sum() <= stats.binom.isf(0.01, 60, 0.07)
