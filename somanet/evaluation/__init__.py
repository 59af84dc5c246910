"""Scores against the ground truth."""
