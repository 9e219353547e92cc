"""The vocabulary that all parts share: settings, messages, connections, the client for consumers of alerts."""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"  # the only place: pyproject.toml reads it from here

#: what ``pip install`` is told: ``eddy`` on the index is another project
DISTRIBUTION = "eddy-anomaly"
#: the part of it that consumers of alerts need, for more versions of Python (docs/decisions/071-two-wheels.md)
CLIENT_DISTRIBUTION = "eddy-client"
#: imported when it is asked for: consumers of alerts do without
_ELSEWHERE = {"Detector": "eddy.training.notebook.frame_detector"}

__all__ = ["CLIENT_DISTRIBUTION", "DISTRIBUTION", "Detector", "__version__", "install_hint"]


def install_hint(extra: str) -> str:
    """Return the command that installs Eddy with an extra.

    Examples:
        >>> install_hint("job")
        "pip install 'eddy-anomaly[job]'"
    """
    return f"pip install '{DISTRIBUTION}[{extra}]'"


def __getattr__(name: str) -> Any:
    """Import the names of :data:`_ELSEWHERE` on first use."""
    if name not in _ELSEWHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(_ELSEWHERE[name]), name)
    except ModuleNotFoundError as error:  # an installation of the client alone
        hint = install_hint("notebook")
        raise ImportError(f"eddy.{name} needs {error.name}, which is not installed: {hint}") from error


def __dir__() -> list[str]:
    return [*globals(), *_ELSEWHERE]
