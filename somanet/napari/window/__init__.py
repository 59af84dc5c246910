"""The plug-in's windows: layers, keys, mouse, panel; needs the extra `napari`."""
