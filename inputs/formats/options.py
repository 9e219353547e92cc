"""Check the options of a format, and the libraries that it needs."""

from __future__ import annotations

import importlib
from collections.abc import Collection, Mapping
from typing import Any

from eddy import install_hint
from eddy.errors import SettingsError


def check_names(form: str, options: Mapping[str, Any], known: Collection[str]) -> None:
    """Refuse options that a format does not have.

    Raises:
        ValueError: the first of them.

    Examples:
        >>> check_names("influx", {"unit": "s"}, ["precision"])
        Traceback (most recent call last):
        ...
        ValueError: found the option 'unit', expected precision
    """
    for name in options:
        if name not in known:
            message = f"found the option {name!r}, expected {', '.join(known) if known else f'none: {form} has none'}"
            raise ValueError(message)


def choice(options: Mapping[str, Any], name: str, default: str, known: Collection[str]) -> str:
    """Return an option that is one of a few texts.

    Raises:
        ValueError: it is none of them.
    """
    found = options.get(name, default)
    if found not in known:
        message = f"{name}: found {found!r}, expected {', '.join(known)}"
        raise ValueError(message)
    return str(found)


def library(module: str, form: str) -> Any:
    """Import a module of a package that only some formats need.

    Raises:
        SettingsError: it is not installed; says what to install.

    Examples:
        >>> library("no_such_package", "otlp-proto")
        Traceback (most recent call last):
        ...
        eddy.errors.SettingsError: otlp-proto needs no_such_package: pip install 'eddy-anomaly[formats]', ...
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise SettingsError(f"{form} needs {module}: {install_hint('formats')}, on workers too") from error
