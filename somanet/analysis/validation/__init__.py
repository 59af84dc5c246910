"""Validation of each number: whole analyses of simulated cells, scored against their ground truth."""
