"""What mkdocs does beyond its configuration: the page of decisions lists the files that are there."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def on_page_markdown(markdown: str, *, page: Any, **_: object) -> str:
    """Add the list to ``decisions/index.md``."""
    if page.file.src_uri != "decisions/index.md":
        return markdown
    folder = Path(page.file.abs_src_path).parent
    titles = [(path.name, path.read_text().splitlines()[0].lstrip("# ")) for path in sorted(folder.glob("[0-9]*.md"))]
    return markdown + "\n" + "\n".join(f"- [{title}]({name})" for name, title in titles) + "\n"
