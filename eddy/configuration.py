"""Load :class:`~eddy.settings.Settings` from file, environment and command line, and remember each value's source."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, SecretStr, ValidationError

from eddy.errors import SettingsError
from eddy.renamed_settings import RENAMED, with_new_names
from eddy.settings import Settings

ENV_PREFIX = "EDDY_"
CONFIG_VARIABLE = "EDDY_CONFIG"  # path of the YAML file; not a setting itself
#: Not settings: the settings file, the folder of the jars, the stack's mark on its processes; another index for torch,
#: an image's build (setup.py).
RESERVED_VARIABLES = {
    CONFIG_VARIABLE, "EDDY_HOME", "EDDY_STACK_INSTANCE", "EDDY_TORCH_INDEX", "EDDY_BUILD_WITHOUT_JARS",
}  # fmt: skip

#: Settings that hold names and values: somebody may have put a secret among them.
_WITH_NAMES = {"kafka.properties", "kafka.oauth_extensions"}

#: The original system's variables, kept working: plain name to key.
ORIGINAL_VARIABLES = {
    "DETECTOR_TYPE": "detector.type",
    "START_OFFSET": "producer.start_offset",
    "LOOP_DATA": "producer.loop",
    "MESSAGE_DELAY_SECONDS": "producer.delay_seconds",
    "WINDOW_SIZE": "detector.window_size",
    "CONTAMINATION": "detector.contamination",
    "WAIT_FOR_APP": "wait_for_app",
}


@dataclass(frozen=True)
class Configuration:
    """Hold settings together with the source of each."""

    settings: Settings
    sources: Mapping[str, str]

    def rows(self) -> list[tuple[str, str, str]]:
        """Return every setting as (key, value as text with secrets masked, source)."""
        return [(k, _shown(v), self.sources.get(k, "default")) for k, v in flatten(self.settings)]


def load(
    overrides: Sequence[str] = (), file: str | Path | None = None, environ: Mapping[str, str] | None = None
) -> Configuration:
    """Build the configuration.

    Args:
        overrides: ``"key=value"`` items from the command line, the strongest source.
        file: YAML file; default: the path in ``EDDY_CONFIG`` if set.
        environ: environment to read; default: the process's own.

    Raises:
        SettingsError: unknown key (names the nearest known one), unreadable file, or a value that does not fit.
    """
    environ = os.environ if environ is None else environ
    known = [key for key, _ in flatten(Settings())]
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    path = file or environ.get(CONFIG_VARIABLE)
    layers = [
        _from_file(Path(path)) if path else [],
        [(key, environ[var], var) for var, key in ORIGINAL_VARIABLES.items() if var in environ],
        _from_environment(environ, known),
        [_from_override(item) for item in overrides],
    ]
    for layer in layers:
        for key, value, source in with_new_names(layer):
            if key not in known:
                raise SettingsError(_unknown(key, source, known))
            values[key], sources[key] = value, source
    _read_secrets(values, sources, known)
    try:
        settings = Settings.model_validate(_nested(values))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        hidden = _is_group(first["input"]) or _from_secret_file(key, known) or key in _WITH_NAMES
        found = "(hidden)" if hidden else repr(first["input"])
        source = next((sources[known] for known in sources if key == known or key.startswith(f"{known}.")), "?")
        message = f"setting {key} from {source}: found {found}; {first['msg']}"
        raise SettingsError(message) from None
    return Configuration(settings, sources)


def flatten(group: BaseModel, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every leaf setting as (dotted key, value)."""
    for name in type(group).model_fields:
        value = getattr(group, name)
        if isinstance(value, BaseModel):
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def environment_name(key: str) -> str:
    """Return a setting's variable: ``kafka.bootstrap_servers`` -> ``EDDY_KAFKA_BOOTSTRAP_SERVERS``."""
    return ENV_PREFIX + key.upper().replace(".", "_")


def secrets_as_environment(settings: Settings) -> dict[str, str]:
    """Return only the secrets, as ``EDDY_…`` variables: for a process that gets all else as arguments.

    One that lies in a file is left there: the process reads it itself.
    """
    values = dict(flatten(settings))
    return {
        environment_name(key): value.get_secret_value()
        for key, value in values.items()
        if isinstance(value, SecretStr) and not values[f"{key}_file"]
    }


def as_environment(settings: Settings) -> dict[str, str]:
    """Return the settings that differ from the defaults, secrets too, as ``EDDY_…`` variables for a child process."""
    defaults = dict(flatten(Settings()))
    plain = {environment_name(k): as_text(v) for k, v in flatten(settings) if v != defaults[k] and _is_plain(v)}
    return plain | secrets_as_environment(settings)


def _from_secret_file(key: str, known: Sequence[str]) -> bool:
    """Return whether a setting is a secret: those, and only those, can be given as a file."""
    return f"{key}_file" in known


def _is_group(value: Any) -> bool:
    return isinstance(value, dict)  # a check of several settings at once: secrets may be among them


def _read_secrets(values: dict[str, Any], sources: dict[str, str], known: Sequence[str]) -> None:
    """Fill secrets that are given as a file, which is stronger than one that is given itself."""
    for key in known:
        path = values.get(f"{key}_file")
        if path and _from_secret_file(key, known):
            try:
                text = Path(path).read_text(encoding="utf-8").rstrip("\r\n")
            except (OSError, UnicodeDecodeError) as error:
                reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
                raise SettingsError(f"setting {key}_file: {path} cannot be read: {reason}") from None
            if not text:
                raise SettingsError(f"setting {key}_file: {path} is empty; expected the secret")
            values[key], sources[key] = text, str(path)


def _from_file(path: Path) -> list[tuple[str, Any, str]]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(f"settings file {path}: cannot be read: {error}") from None
    if content is None:
        return []
    if not isinstance(content, dict):
        raise SettingsError(f"settings file {path}: expected groups of settings, found {type(content).__name__}")
    rows: list[tuple[str, Any, str]] = []
    for group, value in content.items():
        if isinstance(value, dict):
            rows += [(f"{group}.{name}", item, str(path)) for name, item in value.items()]
        else:
            rows.append((str(group), value, str(path)))
    return rows


def _from_environment(environ: Mapping[str, str], known: Sequence[str]) -> list[tuple[str, Any, str]]:
    names = {environment_name(key): key for key in known}
    old = {environment_name(key): key for key in RENAMED}
    rows: list[tuple[str, Any, str]] = []
    for variable, value in environ.items():
        if not variable.startswith(ENV_PREFIX) or variable in RESERVED_VARIABLES:
            continue
        if variable not in names and variable not in old:
            nearest = difflib.get_close_matches(variable, names, n=1, cutoff=0.0)
            raise SettingsError(f"unknown setting {variable} in the environment; did you mean {nearest[0]}?")
        rows.append((names.get(variable) or old[variable], value, variable))
    return rows


def _from_override(item: str) -> tuple[str, Any, str]:
    key, separator, value = item.partition("=")
    if not separator:
        raise SettingsError(f"--set {item!r}: expected KEY=VALUE, for example --set job.parallelism=2")
    return key.strip(), value, "command line"


def _unknown(key: str, source: str, known: Sequence[str]) -> str:
    if key.startswith("input."):
        return (
            f"setting {key} from {source}: 'input' is a list of sources, whose fields cannot be set one by one; "
            "expected a list in the settings file, where each source begins with '- ', or all of it as JSON: "
            "--set input='[…]'"
        )
    nearest = difflib.get_close_matches(key, known, n=1, cutoff=0.0)
    return f"unknown setting {key!r} from {source}; did you mean {nearest[0]!r}? 'eddy config show' lists all"


def _nested(values: Mapping[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for key, value in values.items():
        *groups, name = key.split(".")
        node = tree
        for group in groups:
            node = node.setdefault(group, {})
        node[name] = value
    return tree


def as_text(value: Any) -> str:
    """Return a setting's value as the command line takes it: lists and names with values are JSON."""
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, tuple):
        items = [item if isinstance(item, str) else item.model_dump(mode="json", exclude_unset=True) for item in value]
        return json.dumps(items, ensure_ascii=False)
    return str(value)


def _is_plain(value: Any) -> bool:
    return value is not None and not isinstance(value, SecretStr)


def _shown(value: Any) -> str:
    if isinstance(value, SecretStr):
        return "********"
    return "" if value is None else as_text(value)
