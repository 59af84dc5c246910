"""`python -m somanet`."""

from somanet.cli import main

if __name__ == "__main__":
    main()
