"""What mkdocs does beyond its configuration: the page of decisions lists its files, and notebooks become pages."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File


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


def on_page_markdown(markdown: str, *, page: Any, **_: object) -> str:
    """Add the list to ``decisions/index.md``."""
    if page.file.src_uri != "decisions/index.md":
        return markdown
    folder = Path(page.file.abs_src_path).parent
    titles = [(path.name, path.read_text().splitlines()[0].lstrip("# ")) for path in sorted(folder.glob("[0-9]*.md"))]
    return markdown + "\n" + "\n".join(f"- [{title}]({name})" for name, title in titles) + "\n"
