"""The foundation of every other package: errors, files, units, tables, settings, figures, the machine."""
