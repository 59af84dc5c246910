"""SomaNet in napari: correct masks and tracks, measure anew, train on what was corrected.

What decides is here and needs no window: what is opened, edits with undo, suspicious places, a soma from a click, crops
for training. :mod:`somanet.napari.window` shows it, and is the only code that imports napari and Qt.
"""
