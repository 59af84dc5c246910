"""Files in, label images out; and label images against the truth: what `predict` and `evaluate` do."""

from somanet.labelling.inputs import Choice, Input, find_inputs
from somanet.labelling.labels import Labelled, predict_files
from somanet.labelling.notes import notes_on
from somanet.labelling.truth import pair_predictions, read_truth

__all__ = [
    "Choice",
    "Input",
    "Labelled",
    "find_inputs",
    "notes_on",
    "pair_predictions",
    "predict_files",
    "read_truth",
]
