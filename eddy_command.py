"""Start the ``eddy`` command, unless ``import eddy`` finds something else of that name.

This module lies beside the package, not inside it: a user's own ``eddy.py`` on ``PYTHONPATH`` would hide it there.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path


def main() -> None:
    """Run the command, or say in one line which file hides it, with exit code 2."""
    found = importlib.util.find_spec("eddy")
    origin = found.origin if found else None
    place = origin or next(iter(found.submodule_search_locations or ()), None) if found else None
    if origin is None or Path(origin).resolve() != Path(__file__).resolve().parent / "eddy" / "__init__.py":
        _refuse(f"'import eddy' finds {place}, which hides this program; rename it or take its folder off PYTHONPATH")
    import eddy  # noqa: PLC0415  only after it is known which one that is

    if not hasattr(eddy, "DISTRIBUTION"):
        reinstall = "pip uninstall eddy && pip install --force-reinstall eddy-client eddy-anomaly"
        _refuse(f"{place} is that of another project of the name 'eddy', installed over this one: {reinstall}")
    from eddy.cli.main import main as command  # noqa: PLC0415

    command()


def _refuse(reason: str) -> None:
    print(f"eddy: {reason}", file=sys.stderr)
    sys.exit(2)
