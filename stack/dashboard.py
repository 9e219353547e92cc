"""Run the local stack's dashboard: ``eddy dashboard`` as a process of its own."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from eddy.configuration import CONFIG_VARIABLE, as_environment, environment_name
from eddy.settings import Settings
from eddy.stack.ports import answers
from eddy.stack.process import Launch

NAME = "dashboard"
_COMMAND = "from eddy.cli.main import main; main()"


def names(settings: Settings) -> list[str]:
    """Return its name, unless it is turned off or its packages (the extra ``dashboard``) are not installed."""
    return [NAME] if settings.stack.dashboard and importlib.util.find_spec("dash") is not None else []


def launches(settings: Settings, _folder: Path) -> list[Launch]:
    """Return how to start it. Settings go through the environment: the process list must not show secrets."""
    stack = settings.stack
    own = {
        "dashboard.host": stack.host,
        "dashboard.port": str(stack.dashboard_port),
        "dashboard.flink": f"{stack.host}:{stack.flink_rest_port}",
    }
    env = {
        **as_environment(settings),
        **{environment_name(key): value for key, value in own.items()},
        CONFIG_VARIABLE: "",  # the variables have all settings of the file
        "OMP_NUM_THREADS": "1",
    }
    argv = [sys.executable, "-c", _COMMAND, "dashboard"]
    return [Launch(name, argv, {"stack.dashboard_port": stack.dashboard_port}, env) for name in names(settings)]


def problem(settings: Settings) -> str | None:
    """Return None once it answers, else the reason."""
    stack = settings.stack
    if not names(settings) or answers(stack.dashboard_port, stack.host):
        return None
    return f"the dashboard at {stack.host}:{stack.dashboard_port} does not answer"
