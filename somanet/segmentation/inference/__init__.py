"""Inference: from images to probabilities to labels, and from files to label files."""
