"""The vocabulary that all parts share: settings, messages, connections, the client for consumers of alerts."""

__version__ = "0.1.0"  # the only place: pyproject.toml reads it from here

#: what ``pip install`` is told: ``eddy`` on the index is another project
DISTRIBUTION = "eddy-anomaly"
#: the part of it that consumers of alerts need, for more versions of Python (docs/decisions/071-two-wheels.md)
CLIENT_DISTRIBUTION = "eddy-client"


def install_hint(extra: str) -> str:
    """Return the command that installs Eddy with an extra.

    Examples:
        >>> install_hint("job")
        "pip install 'eddy-anomaly[job]'"
    """
    return f"pip install '{DISTRIBUTION}[{extra}]'"
