"""Record each try as a line of JSON, and make the table in docs/reliability.md from the lines."""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
from pathlib import Path
from typing import Any

from eddy.stack.paths import ROOT, home

FILE = "faults.jsonl"
BEGIN, END = "<!-- faults: begin -->", "<!-- faults: end -->"


def file() -> Path:
    """Return the file of the lines."""
    return Path(os.environ.get("FAULTS_FILE") or home() / FILE)


def note(fault: str, seed: str, **fields: Any) -> None:
    """Append a try."""
    line = json.dumps({"fault": fault, "seed": seed, **fields})
    file().parent.mkdir(parents=True, exist_ok=True)
    with file().open("a", encoding="utf-8") as out:
        out.write(line + "\n")
    print(line, flush=True)


def table(tries: list[dict[str, Any]]) -> list[str]:
    """Return one row per fault, in the order of the first try of each."""
    rows = [
        "| fault | tried | events | alerts expected | seen | more than once | recovery, median and most, s |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for fault in dict.fromkeys(one["fault"] for one in tries):
        own = [one for one in tries if one["fault"] == fault]
        seconds = [one["recovery"] for one in own if one.get("recovery") is not None]
        took = f"{statistics.median(seconds):.0f}, {max(seconds):.0f}" if seconds else "–"
        sums = {key: sum(one[key] for one in own) for key in ("events", "expected", "seen", "doubled")}
        counts = " | ".join(f"{sums[key]:,}" for key in sums)
        rows.append(f"| {fault} | {len(own)} | {counts} | {took} |")
    return rows


def main() -> None:
    """Write the table into a document."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--into", type=Path, default=ROOT / "docs" / "reliability.md")
    parser.add_argument("files", nargs="*", type=Path, help="records of several runs (default: the last one's)")
    chosen = parser.parse_args()
    page, files = chosen.into, chosen.files or [file()]
    tries = [json.loads(line) for one in files for line in one.read_text(encoding="utf-8").splitlines()]
    text = page.read_text(encoding="utf-8")
    block = "\n".join([BEGIN, *table(tries), END])
    page.write_text(re.sub(f"{BEGIN}.*?{END}", lambda _: block, text, flags=re.DOTALL), encoding="utf-8")


if __name__ == "__main__":
    main()
