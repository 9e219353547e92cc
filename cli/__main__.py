"""Run the ``eddy`` command as ``python -m eddy.cli``, where no script of that name is installed."""

from __future__ import annotations

from eddy.cli.main import main

main()
