"""Results of evaluations on disk: each is computed once for the code, the configuration and the data it depends on.

Each (data set, detector, seed) is one JSON file in the cache folder, named by a hash of everything that it depends on:
the detector's configuration, the code of the detector and of the evaluation, and the data. An interrupted run continues
where it stopped.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from eddy.models.detectors.ensemble.members import DEFAULT_MEMBERS
from eddy.training.data.recording import Recording
from eddy.training.evaluation.code_digest import digest
from eddy.training.evaluation.report.html import plain_json
from eddy.training.evaluation.runs.entrant import Entrant


@dataclass
class Cache:
    """Store results on disk.

    Attributes:
        folder: folder of the files.
        read_only: compute nothing; results that are not stored are left out.
        missing: names of results that were left out.
    """

    folder: Path
    read_only: bool = False
    missing: list[str] = field(default_factory=list)

    def rows(self, what: str, key: dict[str, Any], make: Callable[[], dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the stored result of ``key``; computes and stores it if needed, empty if nothing may be computed."""
        text = json.dumps(key, sort_keys=True, default=str)
        path = self.folder / f"{what}-{hashlib.sha256(text.encode()).hexdigest()[:12]}.json"
        if not path.exists():
            if self.read_only:
                self.missing.append(what)
                return []
            made = plain_json(make())
            self.folder.mkdir(parents=True, exist_ok=True)
            partial = path.with_suffix(".partial")
            partial.write_text(made)
            partial.replace(path)  # an interruption leaves no incomplete result
        return [json.loads(path.read_text())]


def result_key(evaluation: ModuleType, entrant: Entrant, seed: int, data: str) -> dict[str, Any]:
    """Return what a result depends on; ``evaluation`` is the module that computes it."""
    members = entrant.params.get("members", DEFAULT_MEMBERS) if entrant.kind == "ensemble" else ()
    code = digest([evaluation.__name__, type(entrant).__module__], [entrant.kind, *(str(m["kind"]) for m in members)])
    return {"entrant": asdict(entrant), "class": type(entrant).__name__, "seed": seed, "data": data, "code": code}


def fingerprint(recordings: Sequence[Recording]) -> str:
    """Return a digest of the series' names, times, values and labels."""
    digest = hashlib.sha256()
    for r in recordings:
        digest.update(r.name.encode())
        digest.update(r.ts.tobytes())
        digest.update(r.values.tobytes())
        digest.update(repr((r.start, r.events)).encode())
    return digest.hexdigest()
