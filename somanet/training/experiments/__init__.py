"""Training and evaluation as recorded experiments: files for DVC and people, the same records in MLflow."""

from somanet.training.experiments.evaluation import (
    EVALUATION_SEED,
    Evaluation,
    evaluate_checkpoint,
    evaluate_segmenter,
    predict_all,
    record_evaluation,
    score_both,
    write_evaluation,
)
from somanet.training.experiments.recording import (
    NETWORK,
    Profile,
    Recording,
    dataset_ref,
    is_main_process,
    origin_of,
)
from somanet.training.experiments.reports import NETWORK_SCORES, SCORES_OF, history_table, write_scores, write_training
from somanet.training.experiments.running import echo, load_items, stage
from somanet.training.experiments.state import forget_trainings, several_trainings
from somanet.training.experiments.trained_on import combined, describe_set
from somanet.training.experiments.training import SERVING_CODE, run_training

__all__ = [
    "EVALUATION_SEED",
    "NETWORK",
    "NETWORK_SCORES",
    "SCORES_OF",
    "SERVING_CODE",
    "Evaluation",
    "Profile",
    "Recording",
    "combined",
    "dataset_ref",
    "describe_set",
    "echo",
    "evaluate_checkpoint",
    "evaluate_segmenter",
    "forget_trainings",
    "history_table",
    "is_main_process",
    "load_items",
    "origin_of",
    "predict_all",
    "record_evaluation",
    "run_training",
    "score_both",
    "several_trainings",
    "stage",
    "write_evaluation",
    "write_scores",
    "write_training",
]
