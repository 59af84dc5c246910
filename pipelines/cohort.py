"""Stage `cohort`: groups of donors compared, from the results of their movies, and the comparison's MLflow run."""

from pathlib import Path

from somanet.analysis import names
from somanet.analysis.cohort.conditions import movies_of
from somanet.analysis.cohort.tables import comparison_metric
from somanet.analysis.cohort.write import Question, build_cohort
from somanet.analysis.headline import cohort_headline
from somanet.analysis.recording import record_cohort
from somanet.config import load_params
from somanet.core.files import read_json
from somanet.provenance.code import project_root
from somanet.training.experiments import echo, stage, write_scores

MOVIES, RESULTS = Path("reports/movies"), Path("reports/cohort/results")


def main() -> None:
    asked = load_params().cohort
    conditions = Path(asked.conditions)
    cohort = build_cohort(
        [MOVIES / movie for movie in movies_of(conditions)],
        RESULTS,
        Question(conditions, asked.reference, asked.paired is not None),
        of_stage=True,
    )
    metric = comparison_metric(cohort.comparisons)
    write_scores("cohort", cohort_headline(metric))
    record_cohort(
        read_json(RESULTS / names.COHORT_RECORD, expected="the record of the cohort"),
        metric,
        cohort.rows_of_movies(),
        results=RESULTS,
        root=project_root(),
        run_file=None,
    )
    for pair, numbers in metric.items():
        echo(f"{pair}: {', '.join(numbers)}")


if __name__ == "__main__":
    stage(main)
