"""The only code that opens image, movie and table files."""
