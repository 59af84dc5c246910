"""Making networks: the training loop, experiments, searches, comparisons, promotion, the paper's study."""
