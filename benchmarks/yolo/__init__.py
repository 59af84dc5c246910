"""SomaNet and a YOLO detector, trained on the same images for the same time: `python -m benchmarks.yolo --help`."""
