"""Stage `cohort`: groups of donors compared, from the results of their movies, and the comparison's MLflow run."""

from pathlib import Path

from somanet.analysis import names
from somanet.analysis.cohort.conditions import movies_of
from somanet.analysis.cohort.tables import COMPARISON, comparison_metric, comparison_table
from somanet.analysis.cohort.write import Question, build_cohort
from somanet.analysis.recording import RUN_FILE, record_cohort
from somanet.config import load_params
from somanet.core.files import read_json, write_json
from somanet.io.tables import write_table
from somanet.provenance.code import project_root
from somanet.training.experiments import echo, stage

MOVIES, OUT = Path("reports/movies"), Path("reports/cohort")
RESULTS = OUT / "results"


def main() -> None:
    asked = load_params().cohort
    conditions = Path(asked.conditions)
    cohort = build_cohort(
        [MOVIES / movie for movie in movies_of(conditions)],
        RESULTS,
        Question(conditions, asked.reference, asked.paired is not None),
    )
    metric = comparison_metric(cohort.comparisons)
    write_json(OUT / names.COMPARISON_METRIC, metric)
    write_table(OUT / names.COMPARISON, comparison_table(cohort), COMPARISON)
    record_cohort(
        read_json(RESULTS / names.COHORT_RECORD, expected="the record of the cohort"),
        metric,
        cohort.rows_of_movies(),
        results=RESULTS,
        root=project_root(),
        run_file=RESULTS / RUN_FILE,
    )
    for pair, numbers in metric.items():
        echo(f"{pair}: {', '.join(numbers)}")


if __name__ == "__main__":
    stage(main)
