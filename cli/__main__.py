"""``python -m cli``: the ``eddy`` command where there is no script of that name."""

from __future__ import annotations

from cli.main import main

main()
