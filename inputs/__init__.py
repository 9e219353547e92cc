"""Read the messages of other programs as observations: the mapping that an input source of the settings describes.

The exact rules stand in docs/decisions/077-input-mapping.md; another reader of the same sources is held to this one.
"""
