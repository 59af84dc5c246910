"""SomaNet's linker and idtracker.ai's on the same masks of the real movie: `python -m benchmarks.idtracker --help`."""
