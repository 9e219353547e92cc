"""What mkdocs does beyond its configuration: the page of decisions lists its files, and notebooks become pages."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

DECISIONS = Path(__file__).parent / "decisions"
_BEGIN, _END = "<!-- decisions: begin -->", "<!-- decisions: end -->"


def on_files(files: Any, *, config: Any) -> Any:
    """Add a page for each notebook, beside the notebook itself."""
    for found in [file for file in files if file.src_uri.endswith(".ipynb")]:
        page = notebook_as_markdown(Path(found.abs_src_path))
        files.append(File.generated(config, found.src_uri.removesuffix(".ipynb") + ".md", content=page))
    return files


def notebook_as_markdown(path: Path) -> str:
    """A notebook's text, code and outputs, as Markdown."""
    parts = []
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
        else:
            parts += [f"```python\n{source}\n```", *(_output(output) for output in cell["outputs"])]
    name = path.name
    return "\n\n".join([*parts, f"This page is a notebook: [{name}]({name})."]) + "\n"


def _output(output: dict[str, Any]) -> str:
    data = output.get("data", {})
    if "image/png" in data:
        picture = "".join(data["image/png"]).replace("\n", "")
        base64.b64decode(picture, validate=True)  # it goes into HTML as it is
        return f'<img alt="what the cell draws" src="data:image/png;base64,{picture}">'
    return f"```text\n{''.join(output.get('text', data.get('text/plain', ''))).rstrip()}\n```"


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
