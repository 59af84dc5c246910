"""What every room stands on: errors, files, units, tables, settings, figures, the machine."""
