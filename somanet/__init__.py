"""SomaNet: from a raw microscope movie to the migration statistics of every neuron."""

__version__ = "0.1.0"
