"""Write the settings of a job as they travel: on the submission's command line and in the job's graph."""

from __future__ import annotations

from pydantic import SecretStr

from eddy.configuration import as_text, flatten
from eddy.settings import Settings


def without_secrets(settings: Settings) -> list[str]:
    """Return the settings that differ from the defaults, as ``key=value``; secrets do not travel."""
    defaults = dict(flatten(Settings()))
    return [
        f"{key}={as_text(value)}"
        for key, value in flatten(settings)
        if value != defaults[key] and value is not None and not isinstance(value, SecretStr)
    ]
