"""Segmentation of somas: networks, the engines that run them, inference on images and movies, and export."""
