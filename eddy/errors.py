"""Define the errors that Eddy raises on purpose: one line that names what was found, what was expected, what to do."""

from __future__ import annotations


class EddyError(Exception):
    """Base of Eddy's errors. The text is meant for the user; commands print it without a traceback and exit with 2."""


class SettingsError(EddyError):
    """Report a setting that is unknown or has a value that cannot be used."""


class DataError(EddyError):
    """Report an input file or message that does not have the expected form."""


class ModelError(EddyError):
    """Report a model artifact or manifest that cannot be used."""


class ModelUnavailable(ModelError):
    """Report an artifact that cannot be had or tried now, but may be later; whoever can wait tries again."""


class StackError(EddyError):
    """Report a service of the stack that is missing, does not start, or does not answer."""


class NoTopicError(StackError):
    """Report a Kafka topic that does not exist."""
