"""What `import somanet` offers: networks, movies, tracks and their measures, with the functions that the commands call.

The names are listed in :mod:`somanet` itself, which loads each on first use; docs/python.md describes them.
"""
