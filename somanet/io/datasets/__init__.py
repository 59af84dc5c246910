"""Data sets of labelled images: layouts, manifest, splits."""
