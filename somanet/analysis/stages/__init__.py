"""The four stages from a movie to its results, one file each, so that a change to one makes DVC repeat only that one.

Each reads and writes files only, so that a command, a pipeline stage or a corrected table of tracks can start or stop
anywhere, and every number follows from the files next to it.
"""
