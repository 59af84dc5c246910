"""What a movie's false detections are, looked at one by one."""
