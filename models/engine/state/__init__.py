"""The engine's state as bytes for managed keyed state."""
