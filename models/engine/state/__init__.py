"""Turn the engine's state into bytes for managed keyed state, and back."""
