"""Check that 'eddy --help' loads no package that takes long or comes with an extra."""

from __future__ import annotations

import subprocess
import sys

SLOW = "numpy scipy numba torch sklearn kafka confluent_kafka redis pyflink dash"
PROGRAM = f"""
import importlib, sys
from eddy.cli import main
for name in main.COMMANDS:
    importlib.import_module("eddy.cli." + name).register(main.app)
print(*(name for name in {SLOW.split()!r} if name in sys.modules))
"""


def test_command_line_loads_slow_packages_only_within_its_commands() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
