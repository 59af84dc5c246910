"""The one exception that users see, and how other errors are condensed into its one line."""


class SomaNetError(Exception):
    """Something the user can fix, in one line.

    The message says what was expected, what was found, the likely cause and the next step. The command line
    prints it without a traceback and exits with status 1.
    """


_LONGEST = 300


def first_line(error: BaseException) -> str:
    """The first line of an error as a sentence, for a one-line message; its type if it has no text."""
    # SQLAlchemy may put a note about its own internals before the error itself.
    lines = [line for line in str(error).strip().splitlines() if not line.startswith("(raised as a result of")]
    line = (lines or [type(error).__name__])[0][:_LONGEST]
    return line if line.endswith(".") else line + "."
