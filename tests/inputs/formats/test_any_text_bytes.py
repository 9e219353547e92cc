"""Check that no bytes make a mapping of any format raise, or give what can be no observation."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from eddy.input_settings import InputSource
from eddy.inputs.mapping import Mapping
from eddy.inputs.record import Record
from eddy.testing.message_formats import MessageFormatContract
from tests.inputs.formats import (
    test_cloudevents,
    test_csv,
    test_influx,
    test_otlp,
    test_prometheus,
    test_prometheus_json,
    test_telegraf,
)
from tests.inputs.formats.reading import T
from tests.inputs.test_any_record import check_sound, mutated

MODULES = [test_cloudevents, test_csv, test_influx, test_otlp, test_prometheus, test_prometheus_json, test_telegraf]
#: the contracts of the shipped formats, which have examples of their records
CONTRACTS = [
    one
    for module in MODULES
    for one in vars(module).values()
    if isinstance(one, type) and issubclass(one, MessageFormatContract) and one is not MessageFormatContract
]


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda one: one.__name__)
def test_any_bytes_are_read_skipped_or_refused(contract: type[MessageFormatContract]) -> None:
    own = {"topics": "t", "format": {"name": contract.name, **contract.options}}
    mappings = [
        Mapping(InputSource.model_validate({**own, **more}))
        for more in ({}, {"values": "*", "numbers": "text", "split": False, "missing": "null", "time": "kafka"})
    ]
    random, examples = np.random.default_rng(11), [contract().record(one) for one, _ in contract.good]
    observations = 0
    for at in range(1_500):
        record = examples[at % len(examples)]
        value = random.bytes(int(random.integers(0, 40))) if at % 5 == 0 else mutated(random, record.value or b"")
        result = mappings[at % 2].read(dataclasses.replace(record, value=value, timestamp=T))
        check_sound(result)
        observations += len(result.observations)
    assert observations


def test_a_record_of_another_format_is_never_read_by_chance() -> None:
    """What is no text is refused by each format."""
    for contract in CONTRACTS:
        mapping = Mapping(InputSource.model_validate({"topics": "t", "format": contract.name}))
        result = mapping.read(Record("t", timestamp=T, value=b"\x89PNG\r\n\x1a\n\xff\xfe"))
        assert result.refusals, contract.name
