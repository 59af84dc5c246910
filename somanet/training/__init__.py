"""Networks made: one training, experiments, searches, comparisons, promotion, the paper's study."""
