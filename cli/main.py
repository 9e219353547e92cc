"""Build the ``eddy`` command: options that all commands share, and one module per group of commands."""

from __future__ import annotations

import importlib
import logging
import signal
import sys
from pathlib import Path

import typer

from eddy import __version__, install_hint
from eddy.configuration import Configuration, load
from eddy.errors import EddyError
from eddy.texts import escaped

USER_ERROR = 2

#: package that a command may need -> the extras that install it
EXTRAS = {
    **dict.fromkeys(("pyflink", "apache_beam"), "job"),
    **dict.fromkeys(("numba", "scipy", "safetensors", "icalendar", "recurring_ical_events"), "job or train"),
    **dict.fromkeys(("torch", "sklearn", "pydmd", "matplotlib", "jinja2"), "train"),
    **dict.fromkeys(("dash", "flask", "plotly", "waitress"), "dashboard"),
}

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)


def _print_version(requested: bool) -> None:
    if requested:
        print(f"eddy {__version__}")
        raise typer.Exit


@app.callback()
def root(
    ctx: typer.Context,
    config: Path | None = typer.Option(None, "--config", help="YAML settings file"),
    overrides: list[str] = typer.Option([], "--set", metavar="KEY=VALUE", help="change one setting; repeatable"),
    version: bool = typer.Option(False, "--version", callback=_print_version, is_eager=True, help="print the version"),
) -> None:
    """Real-time anomaly detection over many time series."""
    ctx.obj = load(overrides, config)


def settings_of(ctx: typer.Context) -> Configuration:
    """Return the configuration that :func:`root` loaded."""
    configuration = ctx.find_root().obj
    assert isinstance(configuration, Configuration)  # noqa: S101  root() always runs first
    return configuration


#: modules of ``eddy.cli``; each has ``register(app)``, which adds its commands
COMMANDS = (
    "commands.stack",
    "commands.topics",
    "produce.command",
    "train.command",
    "commands.predict",
    "commands.preprocess",
    "evaluate.command",
    "commands.models",
    "commands.trainer",
    "commands.backtest",
    "commands.job",
    "commands.alerts",
    "commands.alert_feedback",
    "commands.series",
    "commands.dlq",
    "commands.input",
    "commands.watch",
    "commands.dashboard",
    "commands.exporter",
    "demo.command",
    "commands.bench",
    "commands.config",
)


def main() -> None:
    """Run the command; print a user error as one line and exit with code 2."""
    for name in COMMANDS:
        importlib.import_module(f"eddy.cli.{name}").register(app)
    # What matters of the client's troubles arrives as an exception, printed in one line; its own log is noise beside
    # that ("task ran for 0.119 s" on a busy machine) and ends up on the standard error of scripts.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    # A script that starts a command in its background has it ignore SIGINT; 'alerts tail' and 'job run' end by it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        app()
    except EddyError as error:
        print(f"eddy: {_lines(error)}", file=sys.stderr)
        sys.exit(USER_ERROR)
    except ModuleNotFoundError as error:
        extra = EXTRAS.get(str(error.name).partition(".")[0])
        if extra is None:
            raise
        print(
            f"eddy: this needs the Python package {error.name!r}, which comes with the extra {extra}: "
            f"{install_hint(extra.split()[-1])}",
            file=sys.stderr,
        )
        sys.exit(USER_ERROR)


def _lines(error: EddyError) -> str:
    """Return an error's text without what a terminal would obey: messages and file names may be quoted in it."""
    return "\n".join(map(escaped, str(error).split("\n")))
