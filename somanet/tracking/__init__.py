"""Tracking of cells in label images: detections, linking, touching somas, and files of other programs."""
