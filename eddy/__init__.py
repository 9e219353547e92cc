"""The vocabulary that all parts share: settings, messages, connections, the client for consumers of alerts."""

__version__ = "0.1.0"  # the only place: pyproject.toml reads it from here
