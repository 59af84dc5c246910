"""Stage `study`: the paper's study as one page, next to the paper's numbers, and one MLflow run."""

from pathlib import Path

from somanet.config import Params, load_params, profile_of
from somanet.provenance.code import project_root
from somanet.training.comparison.artefact import FILES
from somanet.training.experiments import load_items, predict_all, stage
from somanet.training.paper.artefact import write_figures, write_study
from somanet.training.paper.recording import record_study
from somanet.training.paper.results import Result, read_result, threshold_network

REPORTS, MODELS = Path("reports"), Path("models")


def main() -> None:
    params = load_params()
    settings = {name: variant.training for name, variant in params.finetune.items()}
    results = {row.name: read_result(row, REPORTS, settings=settings) for row in params.study.rows}
    items = load_items(Path("data/packed/target_val"))
    threshold = threshold_network(items, params.study.threshold, params.evaluate.thresholds)
    shown = items[: params.evaluate.panel_images]
    predictions = {
        name: predict_all(checkpoint, shown) for name, checkpoint in networks_to_show(params, results).items()
    }
    figures = write_figures(results, shown, predictions, REPORTS / "study")
    study = record_study(
        params.study.title,
        results,
        [path for _, path in figures],
        [REPORTS / name for name in FILES],
        experiment=profile_of(params).experiment("finetune"),
        root=project_root(),
    )
    write_study(params.study, results, threshold, REPORTS, figures=figures, study=study)
    print(f"Written: {REPORTS / 'study.md'}, study.json and the figures in {REPORTS / 'study'}")


def networks_to_show(params: Params, results: dict[str, Result]) -> dict[str, Path]:
    """The pretrained networks, the reference and the best row, first seed each."""
    best = max(results, key=lambda name: results[name].network.metrics["iou"])
    shown = [name for name, result in results.items() if result.row.variant is None]
    shown += [name for name in dict.fromkeys((params.study.reference, best)) if name not in shown]
    return {
        name: MODELS / "pretrain" / str(results[name].row.network)
        if results[name].row.variant is None
        else MODELS / "finetune" / str(results[name].row.variant) / f"seed{params.seeds[0]}"
        for name in shown
    }


if __name__ == "__main__":
    stage(main, network=True)
