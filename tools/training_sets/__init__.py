"""The data sets of the bundled network: which may be trained on, and how each is built from the files."""
