"""The one exception that users meet."""


class SomaNetError(Exception):
    """Something the user can mend, in one line.

    The message says what was expected, what was found, the likely cause and the next step. The command line
    prints it without a traceback and exits with status 1.
    """
