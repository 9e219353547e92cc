"""The errors that Eddy raises on purpose: one line that says what was found, what was expected, what to do."""

from __future__ import annotations


class EddyError(Exception):
    """Base class. Its text is meant for the user; commands print it without a traceback and exit with 2."""


class SettingsError(EddyError):
    """A setting is unknown or has a value that cannot be used."""


class DataError(EddyError):
    """An input file or message does not have the form that was expected."""


class ModelError(EddyError):
    """A model artifact or manifest cannot be used."""


class StackError(EddyError):
    """A service of the stack is missing, does not start, or does not answer."""
