"""The Flink job."""

from __future__ import annotations

import builtins
import importlib

# PyFlink's worker puts a bound method in the place of ``print``, and numba, which registers it by module and name
# when it is imported, then fails ("module 'beam_sdk_worker_main' has no attribute 'print'"). So numba is imported while
# the real one is back. This module is the first of ours that a worker loads.
_replaced = builtins.print
_original = getattr(getattr(_replaced, "__self__", None), "_print", None)
if _original is not None:
    builtins.print = _original
    try:
        importlib.import_module("numba")
    finally:
        builtins.print = _replaced
