"""Programs for developers of SomaNet: no command of the package imports them."""
