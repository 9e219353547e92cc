"""Compile the Protobuf messages of the tests, once."""

from __future__ import annotations

from functools import cache
from typing import Any

from eddy.inputs.formats.protobuf_schema import ProtobufSchema, compiled

UNITS = """
syntax = "proto3"; package plant;
enum Unit { UNIT_UNKNOWN = 0; CELSIUS = 1; }
"""
READING = """
syntax = "proto3"; package plant;
import "plant/units.proto";
import "google/protobuf/timestamp.proto"; import "google/protobuf/duration.proto";
import "google/protobuf/wrappers.proto"; import "google/protobuf/struct.proto";
message First { string a = 1; }
message Reading {
  string pump = 1; google.protobuf.Timestamp at = 2; double t = 3; Unit unit = 4; int64 big = 5; uint64 bigger = 6;
  optional float p = 7; google.protobuf.DoubleValue w = 8; google.protobuf.BytesValue wb = 9; bytes raw = 10;
  oneof kind { double hot = 11; string cold = 12; First first = 13; }
  map<string, double> by_name = 14; map<int32, First> by_number = 15; map<bool, Unit> by_flag = 16;
  repeated int32 many = 17; repeated First firsts = 18; google.protobuf.Duration took = 19;
  google.protobuf.Struct free = 20; First inner = 21; Reading again = 22; repeated Unit units = 23;
  message Deep { message Deeper { double v = 1; } Deeper d = 1; }
  Deep deep = 24; google.protobuf.Value any_value = 25;
}
"""


@cache
def schema() -> ProtobufSchema:
    files = compiled({"plant/units.proto": UNITS, "plant/reading.proto": READING}, "plant/reading.proto")
    return ProtobufSchema(files[-1], files[:-1])


def make(name: str, **fields: Any) -> Any:
    return schema().by_name(name)(**fields)
