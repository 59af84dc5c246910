"""Label images in, cells with an identity out: detections, linking, touching somas, and files of other programs."""
