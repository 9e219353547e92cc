"""``python -m eddy.cli``: the ``eddy`` command where there is no script of that name."""

from __future__ import annotations

from eddy.cli.main import main

main()
