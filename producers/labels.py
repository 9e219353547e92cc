"""Keep the known incidents of a synthetic stream in a file and a topic of their own, which the job never reads."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from eddy.errors import DataError

LABELS_SCHEMA = 1


@dataclass(frozen=True)
class Label:
    """Hold one labelled incident. Times are epoch milliseconds of its first and last affected point."""

    series: str
    start: int
    end: int
    kind: str


def write_labels(path: Path, labels: Iterable[Label], seed: int | None = None) -> None:
    """Write ``{"schema": 1, "seed": …, "labels": [{series, start, end, kind}, …]}``."""
    content = {"schema": LABELS_SCHEMA, "seed": seed, "labels": [asdict(label) for label in labels]}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def read_labels(path: Path) -> list[Label]:
    """Read what :func:`write_labels` wrote; unknown fields are ignored.

    Raises:
        DataError: the file is not there or not a labels file.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        rows = content["labels"]
        return [Label(str(r["series"]), int(r["start"]), int(r["end"]), str(r["kind"])) for r in rows]
    except OSError as error:
        raise DataError(f"labels file {path}: cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError) as error:
        detail = f"field {error} is missing" if isinstance(error, KeyError) else str(error)
        message = f'labels file {path}: {detail}; expected {{"labels": [{{"series", "start", "end", "kind"}}]}}'
        raise DataError(message) from None


def label_messages(labels: Iterable[Label]) -> Iterator[tuple[bytes, bytes]]:
    """Yield (key, value) of the labels topic: one message per incident, keyed by series."""
    for label in labels:
        value = {"schema": LABELS_SCHEMA, **asdict(label)}
        yield label.series.encode(), json.dumps(value, sort_keys=True).encode()
