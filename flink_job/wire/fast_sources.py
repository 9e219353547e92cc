"""Say which input sources the JVM reads."""

from __future__ import annotations

from eddy.connection_settings import SchemaRegistrySettings
from eddy.input_settings import InputSource


def is_fast(source: InputSource, registry: SchemaRegistrySettings) -> bool:
    """Return whether the JVM reads the messages of a source; Python reads all others."""
    form = source.format
    if form.name == "avro":
        usual = set(form.options) <= {"schema", "id_bytes"} and form.options.get("id_bytes", 4) == 4
        usual = usual and ("schema" in form.options or not registry.ssl_certfile)
    else:
        usual = form.name == "json" and not form.options
    return usual and "%" not in source.time.unit
