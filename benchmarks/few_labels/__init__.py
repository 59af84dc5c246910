"""Scores with few labelled crops, with and without simulated crops and unlabelled frames."""
