"""Locate the folder of jars, and the folder in which the local stack keeps its data."""

from __future__ import annotations

import os
from pathlib import Path

from eddy.settings import StackSettings

HOME_VARIABLE = "EDDY_HOME"
_ROOT = Path(__file__).resolve().parents[1]


def home() -> Path:
    """Return the folder of the jars: ``EDDY_HOME``, else ``.eddy`` in the checkout or, if installed, at home."""
    chosen = os.environ.get(HOME_VARIABLE)
    if chosen:
        return Path(chosen).expanduser().resolve()
    base = _ROOT if (_ROOT / "pyproject.toml").exists() else Path.home()
    return base / ".eddy"


def data_dir(settings: StackSettings) -> Path:
    """Return the folder of data, logs and pid files; a relative setting counts from the folder that holds :func:`home`.

    So ``eddy status`` finds the same stack from whatever folder it is called in.
    """
    return (home().parent / Path(settings.data_dir).expanduser()).resolve()
