"""A movie file in, its folder of results out: segment, track, migrate, report; and several movies side by side."""
