"""`python -m somanet`."""

from somanet.cli import script

if __name__ == "__main__":
    script()
