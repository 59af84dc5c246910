"""Signs over their limits, alone, together and of several movies, and the verdict that follows."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from somanet.migration.signs import FAILS_FROM, HOLDS_TO, Signs, pooled
from somanet.migration.verdict_names import FAIL, HOLD, UNTOLD

NONE = math.nan
CHANGE, DISAGREEMENT = math.log(1.25), math.log(1.15)


def signs(**found: float) -> Signs:
    """200 saltations, 0.5 per hour of 25 µm, and no sign but the ones given."""
    known: dict[str, float] = {
        "n_movies": 1, "n_events": 200, "frequency_per_h": 0.5, "length_um": 25.0, "change_of_frequency": 0.0,
        "change_of_length": 0.0, "model": 0.0, "model_of_half": 0.0, "moving_share": 0.0, "hidden": 0.0,
        "exchanges": 0, "cut_share": 0.0, "least_over_mean": 0.0, "in_pieces": 0.0,
    }  # fmt: skip
    return Signs(**(known | found))  # type: ignore[arg-type]


def test_a_movie_without_a_sign_is_far_from_all_limits() -> None:
    assert signs().nearest == 0
    assert signs().reasons() == []
    assert signs().verdict() == HOLD


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({"change_of_frequency": -CHANGE}, "they become 0.4 per hour of 25 µm instead of 0.5 per hour of 25 µm"),
        ({"change_of_length": CHANGE}, "they become 0.5 per hour of 31 µm"),
        ({"model": -DISAGREEMENT, "model_of_half": 1.0}, "the rule finds 0.5 per hour and the model 0.43"),
        ({"hidden": math.log(1.6)}, "38 % of them are hidden"),
        ({"hidden": math.log(1.5), "moving_share": 0.3}, "33 % of them are hidden"),
        ({"hidden": math.log(1.5), "model": math.log(1.1), "model_of_half": 1.0}, "33 % of them are hidden"),
        ({"hidden": math.log(1.5), "change_of_frequency": NONE, "change_of_length": NONE}, "33 % of them are hidden"),
        ({"moving_share": 0.3, "hidden": math.log(1.25)}, "make up 30 % of the observed time, and their changes"),
        ({"exchanges": 2}, "2 times two tracks seem to exchange"),
        ({"cut_share": 0.1}, "in 10 % of the saltations the cell is lost"),
        ({"least_over_mean": 0.35}, "with an error of 2.2 µm, saltations of less than 8.8 µm are not seen"),
        ({"in_pieces": 1.0}, "found in pieces, too many and too short"),
    ],
)
def test_each_sign_at_its_limit_is_one_and_says_what_it_is(found: dict[str, float], words: str) -> None:
    at_limit = signs(**found)
    own = [value for value, said in at_limit.in_words() if words in said]
    assert own == [pytest.approx(1.0)]
    assert any(words in said for said in at_limit.reasons(0.999))


@pytest.mark.parametrize(("n", "words"), [(1, "once two tracks"), (999, "999 times two"), (6_000_000, "thousands of")])
def test_exchanges_are_counted_as_far_as_a_person_would(n: int, words: str) -> None:
    [said] = [said for _, said in signs(exchanges=n).in_words() if "exchange" in said]
    assert said.startswith(words)


def test_the_model_counts_where_it_is_nearer() -> None:
    """Short rests that the model joins at 5 min it finds at 10."""
    assert signs(model=-0.3, model_of_half=0.07).disagreement == pytest.approx(0.07)
    assert signs(model=NONE, model_of_half=-0.2).disagreement == pytest.approx(0.2)
    assert math.isnan(signs(model=NONE, model_of_half=NONE).disagreement)


def test_that_cells_move_on_is_no_sign_alone_nor_a_correction_for_a_third() -> None:
    assert signs(moving_share=0.8).nearest < 1
    assert signs(hidden=math.log(1.55)).nearest < 1
    one = signs(exchanges=1, n_events=51)
    assert one.nearest < 1 < signs(exchanges=1, n_events=49).nearest


def test_signs_below_their_limits_count_together() -> None:
    """0.9 of one limit and 0.7 of another: 0.81 + 0.49 = 1.3, over 1.2; the words name both; an unknown one is none."""
    both = signs(change_of_frequency=0.9 * CHANGE, model=0.7 * DISAGREEMENT, model_of_half=0.7 * DISAGREEMENT)
    assert both.nearest == pytest.approx(math.sqrt(1.3 / 1.2))
    assert len(both.reasons()) == 1
    assert both.reasons()[0].startswith("several signs together")
    assert "a factor of 1.22" in both.reasons()[0]
    unknown = replace(both, model=NONE, model_of_half=NONE)
    assert unknown.nearest == pytest.approx(0.9)
    assert "rule and model" not in unknown.reasons(0.7)[-1]


def test_verdicts_have_three_answers() -> None:
    """Below the first limit, above the second, and between them; unknown changes and few saltations tell nothing."""
    low, high = HOLDS_TO, FAILS_FROM
    for near, verdict in ((low - 0.01, HOLD), (low + 0.01, UNTOLD), (high - 0.01, UNTOLD), (high + 0.01, FAIL)):
        assert signs(cut_share=0.1 * near).verdict() == verdict
    assert signs(change_of_frequency=NONE, change_of_length=NONE).verdict() == UNTOLD
    assert signs(n_events=19, cut_share=0.5).verdict() == UNTOLD


def test_jumps_in_pieces_leave_a_movie_at_cannot_tell() -> None:
    """However many they are; results of before, which do not name them, are judged as they were."""
    assert signs(in_pieces=0.99).verdict() == HOLD
    assert signs(in_pieces=1.01).verdict() == signs(in_pieces=9.0).verdict() == UNTOLD
    assert pooled([signs(in_pieces=1.5), signs(in_pieces=0.3)]).in_pieces == pytest.approx(0.9)
    before = {name: value for name, value in signs(cut_share=0.05).as_dict().items() if name != "in_pieces"}
    assert Signs.from_dict(before).verdict() == HOLD


def test_chance_averages_out_and_what_all_movies_show_stays() -> None:
    """Changes of +0.2, -0.2 and 0.2, of 100, 300 and 200 saltations: 0.2 · (100 - 300 + 200)/600 = 0; both of 0.1."""
    one, two, three = (
        signs(change_of_frequency=change, n_events=n, model=-0.1, model_of_half=-0.1, exchanges=1)
        for change, n in ((0.2, 100), (-0.2, 300), (0.2, 200))
    )
    together = pooled([one, two, three])
    assert together.change == pytest.approx(0)
    assert together.disagreement == pytest.approx(0.1)
    assert (together.n_movies, together.n_events, together.exchanges) == (3, 600, 3)
    assert together.verdict() == pooled([together]).verdict()
    unknown = pooled([one, signs(change_of_frequency=NONE, change_of_length=NONE, n_events=900)])
    assert unknown.change_of_frequency == pytest.approx(0.2)
    assert math.isnan(pooled([signs(model=NONE), signs(model=NONE)]).model)


def test_signs_go_through_json() -> None:
    found = signs(model=NONE, change_of_length=0.03)
    again = Signs.from_dict(json.loads(json.dumps(found.as_dict(), allow_nan=False)))
    assert repr(again) == repr(found)
