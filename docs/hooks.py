"""What mkdocs does beyond its configuration: the page of decisions lists the files that are there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

DECISIONS = Path(__file__).parent / "decisions"
_BEGIN, _END = "<!-- decisions: begin -->", "<!-- decisions: end -->"


def decision_table() -> str:
    """Build the table of all decisions from the first line and the status line of each.

    Raises:
        ValueError: a decision without a title or a status.
    """
    rows = ["| number | decision | status |", "| --- | --- | --- |"]
    for path in sorted(DECISIONS.glob("[0-9]*.md")):
        text = path.read_text(encoding="utf-8")
        title = re.match(r"# (\d{3}): (.+)", text)
        status = re.search(r"^Status: (accepted|superseded by .+?)(; .+)?\.$", text, re.MULTILINE)
        if not title or not status:
            message = f"{path.name}: expected a first line '# NNN: Title' and a line 'Status: accepted.' or "
            raise ValueError(message + "'Status: superseded by NNN.'")
        rows.append(f"| {title[1]} | [{title[2]}]({path.name}) | {status[1]}{status[2] or ''} |")
    return "\n".join(rows)


def with_decisions(text: str) -> str:
    """Put the table between the markers of ``decisions/index.md``."""
    before, _, rest = text.partition(_BEGIN)
    return f"{before}{_BEGIN}\n\n{decision_table()}\n\n{_END}{rest.partition(_END)[2]}"


def on_page_markdown(markdown: str, *, page: Any, **_: object) -> str:
    """Bring the table of ``decisions/index.md`` up to date while the site is built."""
    return with_decisions(markdown) if page.file.src_uri == "decisions/index.md" else markdown


def on_config(config: Any) -> Any:
    """Add the how-to pages that are there to the navigation, in a section of their own."""
    pages = sorted((Path(config["docs_dir"]) / "how-to").glob("*.md"))
    if pages and "how-to/" not in str(config["nav"]):
        config["nav"].insert(-1, {"Extend": [f"how-to/{path.name}" for path in pages]})
    return config


if __name__ == "__main__":
    INDEX = DECISIONS / "index.md"
    INDEX.write_text(with_decisions(INDEX.read_text(encoding="utf-8")), encoding="utf-8")
