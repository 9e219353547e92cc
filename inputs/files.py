"""Read the records of files, and choose the input source that describes them: ``--input N`` or ``--input FILE``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import yaml
from pydantic import ValidationError

from eddy.errors import DataError, SettingsError
from eddy.input_settings import InputSource
from eddy.inputs.mapping import Mapping, MappingResult
from eddy.inputs.parquet_file import messages as rows
from eddy.inputs.record import Record, from_lines
from eddy.settings import Settings

_MAX_YAML_BYTES = 1_000_000


def results_of(path: Path, mapping: Mapping, topic: str = "") -> Iterator[tuple[Record, MappingResult]]:
    """Yield what a mapping reads of each line of a file, or of each row of a Parquet file.

    Args:
        path: of a file; one whose name ends with ``.parquet`` is read by its columns, whatever the source's format.
        mapping: of the source.
        topic: as for :func:`records_of`.

    Raises:
        DataError: the file cannot be read.
    """
    if path.suffix != ".parquet":
        for record in records_of(path, topic):
            yield record, mapping.read(record)
        return
    for number, row in enumerate(rows(path), 1):
        record = Record(topic or topic_of(path), offset=number)
        yield record, mapping.read_messages(record, [row])


def records_of(path: Path, topic: str = "") -> Iterator[Record]:
    """Yield a record for each line of a file.

    Args:
        path: of a file.
        topic: that the records name; default: the file's name, without what no topic may have.

    Raises:
        DataError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            yield from from_lines(file, topic or topic_of(path))
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None


def topic_of(path: Path) -> str:
    """Return a name for what is in a file that any topic could have.

    Examples:
        >>> topic_of(Path("a/plant data.jsonl"))
        'plant-data'
    """
    return re.sub(r"[^A-Za-z0-9._-]", "-", path.stem)[:249] or "file"


def chosen_source(settings: Settings, text: str) -> tuple[str, InputSource]:
    """Return the source that ``--input`` names, with what errors call it.

    Args:
        settings: whose ``input`` a number is about.
        text: the number of a source, 0 for the first, or a YAML file with one: as 'eddy input guess' prints it, or its
            fields alone; ``topics`` may be left out there.

    Raises:
        SettingsError: there is no such source, or the file holds none.
    """
    if re.fullmatch(r"[0-9]{1,4}", text):
        number, known = int(text), len(settings.input)
        if number >= known:
            has = f"sources 0 to {known - 1}" if known else "none"
            raise SettingsError(
                f"--input {text}: found {has} in 'input' of the settings, expected one with this number"
            )
        return f"input.{number}", settings.input[number]
    return text, _from_file(Path(text))


def _from_file(path: Path) -> InputSource:
    try:
        if path.stat().st_size > _MAX_YAML_BYTES:
            raise SettingsError(f"--input {path}: found more than {_MAX_YAML_BYTES:,} bytes, expected one source")
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise SettingsError(
            f"--input {path}: cannot be read: {reason}; expected the number of a source, or a YAML file"
        ) from None
    if isinstance(found, dict) and "input" in found:
        found = found["input"]
    if isinstance(found, list) and len(found) == 1:
        found = found[0]
    if not isinstance(found, dict):
        what = f"a list of {len(found)}" if isinstance(found, list) else type(found).__name__
        raise SettingsError(f"--input {path}: found {what}, expected one source, as 'eddy input guess' prints it")
    if not found.get("topics") and not found.get("pattern"):
        found = {**found, "topics": [topic_of(path)]}
    try:
        return InputSource.model_validate(found)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise SettingsError(f"--input {path}: {where}: {first['msg']}".replace(": : ", ": ")) from None
