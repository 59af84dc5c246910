"""Trainings are tested on the images, and on the one thread, of the networks' tests."""

from tests.segmentation.conftest import _one_thread, draw_discs, items

__all__ = ["_one_thread", "draw_discs", "items"]
