"""What a number needs of movies: one that none supports is not estimated, one that some support is that of these."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from somanet.migration.pooling import UNITS, pooled_numbers
from somanet.migration.requirements import (
    NEEDS_EVEN_FRAMES,
    NEEDS_SALTATIONS,
    UNSUPPORTED,
    partly_met_warnings,
    rests_on_saltations,
    seen_share,
    unsupported,
)
from somanet.migration.summary import summarize
from somanet.migration.verdict_names import FAIL, HOLD, UNTOLD, VERDICT
from tests.migration.test_summary import cells

NAMES = tuple(UNITS)


def movies(**columns: float) -> pd.DataFrame:
    """Two movies of three cells; in the second, cells jump half as often at twice the speed, with ``columns`` set."""
    first = cells([0.4, 0.5, 0.6]).assign(movie="a")
    second = cells([0.2, 0.25, 0.3]).assign(movie="b", speed_moment_um2_per_h=16000.0, **columns)
    return pd.concat([first, second], ignore_index=True)


def numbers(table: pd.DataFrame) -> dict[str, float]:
    return {name: float(value[0]) for name, value in pooled_numbers(table, np.ones((1, len(table)))).items()}


def test_a_movie_that_does_not_support_saltations_does_not_count_in_speed_and_pauses() -> None:
    """Speed, pauses and distance are those of the first movie alone; frequency and length are of both."""
    both, alone, all_of = numbers(movies(saltations_supported=0)), numbers(movies().iloc[:3]), numbers(movies())
    for name in NEEDS_SALTATIONS:
        np.testing.assert_equal(both[name], alone[name])
    assert both["mobile_speed_corrected_um_per_h"] != pytest.approx(all_of["mobile_speed_corrected_um_per_h"])
    assert both["frequency_corrected_per_h"] == all_of["frequency_corrected_per_h"]
    warnings = summarize(movies(saltations_supported=0), resamples=50).warnings
    assert any(
        "leave out 1 of 2 movies, as they do not support saltation numbers: b; 3 of 6 cells count." in text
        for text in warnings
    )
    assert partly_met_warnings(movies()) == []


def test_movies_that_cannot_tell_are_not_those_whose_numbers_do_not_hold() -> None:
    """Of three movies the second fails and the third cannot tell; each is named by its own verdict."""
    third = movies().iloc[3:].assign(movie="c")
    table = pd.concat([movies(), third], ignore_index=True)
    table[VERDICT] = table["movie"].map({"a": HOLD, "b": FAIL, "c": UNTOLD})
    table["saltations_supported"] = (table["movie"] == "a").astype(int)
    what = "Speed, pauses, distance and straightness leave out 1 of 3 movies, as"
    assert partly_met_warnings(table) == [
        f"{what} their saltation numbers do not hold: b; 3 of 9 cells count.",
        f"{what} they cannot tell whether saltation numbers hold: c; 3 of 9 cells count.",
    ]
    reasons = {
        movie: unsupported(one.reset_index(drop=True), NAMES)["mean_pause_corrected_h"]
        for movie, one in table.groupby("movie")
        if movie != "a"
    }
    assert reasons == {
        "b": "it rests on saltation numbers, which do not hold",
        "c": "it rests on saltation numbers, and whether these hold cannot be told",
    }


def test_a_movie_of_exchanged_tracks_counts_in_nothing() -> None:
    both, alone = numbers(movies(identities_kept=0)), numbers(movies().iloc[:3])
    np.testing.assert_equal(both, alone)
    warnings = partly_met_warnings(movies(identities_kept=0))
    assert warnings == [
        "Any number leaves out 1 of 2 movies, as their tracks seem to exchange cells: b; 3 of 6 cells count."
    ]


QUIET = [*NEEDS_SALTATIONS, "mean_turn_deg"]


@pytest.mark.parametrize(
    ("column", "value", "names"),
    [
        ("false_motion", 0.2, QUIET),
        ("false_saltations", 2.0, [name for name in NAMES if rests_on_saltations(name)]),
        ("even_frames", 0, list(NEEDS_EVEN_FRAMES)),
    ],
)
def test_one_noisy_or_uneven_movie_of_two_does_not_count_where_it_matters(
    column: str, value: float, names: list[str]
) -> None:
    """The second movie jumps 7.5 times in 30 h, of which noise would make 6; the numbers are those of the first.

    Those that do not mind are of both. Alone, it has none of them, and the reason is its own.
    """
    table = movies(**{column: value})
    both, alone, all_of = numbers(table), numbers(movies().iloc[:3]), numbers(movies())
    for name in NAMES:
        np.testing.assert_equal(both[name], alone[name] if name in names else all_of[name])
    assert both["mobile_speed_corrected_um_per_h"] != pytest.approx(all_of["mobile_speed_corrected_um_per_h"])
    assert unsupported(table, NAMES) == {}
    assert set(unsupported(table.iloc[3:].reset_index(drop=True), NAMES)) == set(names)
    said = partly_met_warnings(table)
    assert len(said) == 1
    assert said[0].endswith(": b; 3 of 6 cells count.")


def test_the_interval_is_over_the_donors_that_count() -> None:
    """Of four donors two are noisy: their speed's interval is that of the other two, which is that of these alone."""
    donors = [
        cells([0.4, 0.5], speed_moment_um2_per_h=8000.0 + 900 * i).assign(movie=f"m{i}", donor=f"d{i}")
        for i in range(4)
    ]
    table = pd.concat(donors, ignore_index=True).assign(false_motion=np.repeat([0.0, 0.0, 0.2, 0.2], 2))
    found, alone = summarize(table), summarize(table.iloc[:4])
    speed = "mobile_speed_corrected_um_per_h"
    assert found.numbers[speed] == alone.numbers[speed]
    assert found.n_donors == 4
    single = summarize(table.assign(false_motion=np.repeat([0.0, 0.2, 0.2, 0.2], 2)))
    assert single.numbers[speed].problem == "there is one donor only"


def test_movies_that_lack_different_things_leave_nothing_and_the_reason_has_both() -> None:
    table = movies(false_motion=0.2)
    table.loc[table["movie"] == "a", "saltations_supported"] = 0
    why = unsupported(table, NAMES)["mean_pause_corrected_h"]
    assert why == (
        "no movie supports it: they do not support saltation numbers; noise alone makes steps of their resting cells "
        "mobile"
    )
    assert "mean_turn_deg" not in unsupported(table, NAMES)


def test_where_no_movie_supports_a_number_it_is_not_estimated() -> None:
    table = movies().assign(saltations_supported=0)
    assert unsupported(table, NAMES) == dict.fromkeys(NEEDS_SALTATIONS, UNSUPPORTED)
    found = summarize(table, resamples=50)
    assert all(found.numbers[name].problem == UNSUPPORTED for name in NEEDS_SALTATIONS)
    assert set(unsupported(movies().assign(identities_kept=0), NAMES)) == set(NAMES)


def test_straightness_needs_cells_that_are_seen_for_most_of_the_movie() -> None:
    """Distances of 80 and 20 µm, seen for all and for a tenth of 10 h: 0.8·1 + 0.2·0.1 = 0.82 of the movie."""
    table = cells([0.4, 0.1]).assign(end_h=[10.0, 1.0])
    assert seen_share(table) == pytest.approx(0.82)
    assert unsupported(table, NAMES) == {}
    table = table.assign(end_h=[9.0, 1.0])
    assert list(unsupported(table, NAMES)) == ["straightness_corrected"]
    assert unsupported(table, NAMES)["straightness_corrected"].startswith("cells are seen for 74 % of the movie")
    assert np.isnan(seen_share(table.assign(distance_um=0.0)))
