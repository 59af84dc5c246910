"""Cells that nobody labelled in the crops of the real movie, as outlines that the project keeps."""
