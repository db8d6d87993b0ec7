"""The one exception that means "the input is at fault, and here is what to do"."""


class InputError(ValueError):
    """Something the user gave cannot be used.

    The message is one line that names what was given, what was expected and what to do. The
    command line prints it after ``error:`` and exits with status 2; nothing else is caught.
    """
