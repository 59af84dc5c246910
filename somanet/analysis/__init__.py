"""From a movie file to its folder of results: segment, track, migrate, report; and several movies as a cohort."""
