"""What the user is told when the input cannot be used."""


class InputError(ValueError):
    """The user's file, folder, table or setting cannot be used.

    The message is one sentence that names the file or column, what was found and what was expected;
    the command line prints it and exits with code 2, napari shows it in a dialog.
    """


class InputWarning(UserWarning):
    """The input can be used in part; the message is one sentence that says which part and why."""
