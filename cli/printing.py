"""Print text that came from outside: no terminal obeys it, and Rich reads no markup into it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eddy.texts import escaped

if TYPE_CHECKING:
    from rich.text import Text


def cell(found: object) -> Text:
    """Return what came from outside as a cell or a line for Rich, such as ``net.if.in[eth0]``, which is no markup."""
    from rich.text import Text

    return Text(escaped(found))
