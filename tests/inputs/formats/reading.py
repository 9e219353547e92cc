"""Read values through the mapping of a source, as the tests of all formats do."""

from __future__ import annotations

import math
from typing import Any

from eddy.input_settings import InputSource
from eddy.inputs.mapping import Mapping, MappingResult
from eddy.inputs.record import Record

T = 1_735_689_600_000  # 2025-01-01T00:00:00Z


def read(source: dict[str, Any], value: bytes | None, **record: Any) -> MappingResult:
    """Read one record with the settings of a source."""
    mapping = Mapping(InputSource.model_validate({"topics": "plant", **source}))
    return mapping.read(Record("plant", value=value, **{"timestamp": T, **record}))


def seen(result: MappingResult) -> list[tuple[str, int, dict[str, float | None]]]:
    """Return observations with None for a missing value, which compares; nothing may be refused."""
    assert not result.refusals, result.refusals
    return [
        (s, ts, {k: None if math.isnan(v) else v for k, v in values.items()}) for s, ts, values in result.observations
    ]
