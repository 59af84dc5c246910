"""Training and evaluation as recorded experiments: files for DVC and people, the same facts for MLflow."""

from somanet.experiments.evaluation import (
    EVALUATION_SEED,
    Evaluation,
    evaluate_checkpoint,
    evaluate_segmenter,
    predict_all,
    record_evaluation,
    score_both,
    write_evaluation,
)
from somanet.experiments.images import choose_images, unlabelled_images
from somanet.experiments.recording import Recording, dataset_ref, is_main_process
from somanet.experiments.reports import history_table, save_figure, write_training
from somanet.experiments.running import load_items, say, stage
from somanet.experiments.state import forget_trainings, several_trainings
from somanet.experiments.training import SERVING_CODE, run_training, start_network

__all__ = [
    "EVALUATION_SEED",
    "SERVING_CODE",
    "Evaluation",
    "Recording",
    "choose_images",
    "dataset_ref",
    "evaluate_checkpoint",
    "evaluate_segmenter",
    "forget_trainings",
    "history_table",
    "is_main_process",
    "load_items",
    "predict_all",
    "record_evaluation",
    "run_training",
    "save_figure",
    "say",
    "score_both",
    "several_trainings",
    "stage",
    "start_network",
    "unlabelled_images",
    "write_evaluation",
    "write_training",
]
