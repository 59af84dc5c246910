"""Programs for those who change SomaNet: no command of the package imports them."""
