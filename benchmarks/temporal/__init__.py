"""Temporal context: a network that sees the frames before and after, against the same network that does not."""
