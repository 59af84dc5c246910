"""Fine-tuning on a lab's own crops: parts, training, what a checkpoint may still claim, and whether it got better."""

from somanet.training.finetuning.crops import SECTION, TEST_SHARE, Crop, Parts, check_apart, divide, read_crops
from somanet.training.finetuning.finetune import Finetuned, Start, finetune_network
from somanet.training.finetuning.progress import Cancelled, Progress
from somanet.training.finetuning.recipe import OWN_CROPS, own_crops
from somanet.training.finetuning.verdict import Verdict, judge

__all__ = [
    "OWN_CROPS",
    "SECTION",
    "TEST_SHARE",
    "Cancelled",
    "Crop",
    "Finetuned",
    "Parts",
    "Progress",
    "Start",
    "Verdict",
    "check_apart",
    "divide",
    "finetune_network",
    "judge",
    "own_crops",
    "read_crops",
]
