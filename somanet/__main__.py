"""`python -m somanet`, and the command `somanet`."""

import sys


def run() -> None:
    """Run the command line. Ctrl-C at any time from here on ends with 130, during imports without words."""
    from somanet.core.mending import python_trouble

    if trouble := python_trouble():
        sys.exit(f"error: {trouble.line}")
    try:
        from somanet.cli import script

        script()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    run()
