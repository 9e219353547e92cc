"""Flink's descriptions of what travels between the operators, for the graph that is built and for the operators."""

from __future__ import annotations

from pyflink.common import Types
from pyflink.datastream.state import MapStateDescriptor

BYTES = Types.PRIMITIVE_ARRAY(Types.BYTE())
#: broadcast state: the newest registry message by model name; a restored job has its models before the topic is read on
MODELS = MapStateDescriptor("models", Types.STRING(), BYTES)
