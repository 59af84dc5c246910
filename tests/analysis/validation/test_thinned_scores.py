"""Coverage with frames left out, of a small world, and the table."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from somanet.analysis.validation.thinned_scores import Case, score_thinned, thinned_markdown
from somanet.analysis.validation.worlds import BASE
from tests.markdown_tables import unpadded


def test_each_interval_has_its_coverage_and_the_movies_own_has_no_change() -> None:
    case = Case("small", replace(BASE, n_cells=8, hours=8.0))
    table = score_thinned(case, replicates=3)
    assert table["interval_min"].unique() == pytest.approx([10.0, 20.0, 30.0])
    own = table["interval_min"] < 11
    assert table.loc[own, ["change", "held_change"]].isna().all(axis=None)
    assert table.loc[~own, "change"].abs().max() < 0.6
    shares = table.loc[~own, ["held_change", "held_truth"]].to_numpy()
    assert np.isin(np.round(3 * shares), (1, 2, 3)).all()
    assert shares.mean() > 0.6


def test_a_line_per_interval() -> None:
    rows = [("base", 10.0, np.nan, np.nan, 0.95), ("base", 20.0, -0.034, 0.9, 0.94)]
    table = pd.concat(
        [
            pd.DataFrame(rows, columns=["case", "interval_min", "change", "held_change", "held_truth"]).assign(
                number=name
            )
            for name in ("frequency_corrected_per_h", "mean_length_corrected_um")
        ]
    )
    lines = unpadded(thinned_markdown(table)).splitlines()
    assert lines[2] == "| base | 10 min | – | – | 0.95 | – | – | 0.95 |"
    assert lines[3] == "| base | 20 min | −3 % | 0.90 | 0.94 | −3 % | 0.90 | 0.94 |"
