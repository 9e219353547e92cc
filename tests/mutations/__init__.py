"""Break the code in small, named ways, and see that a test goes red for each: ``./run test --mutations``.

Breakages are in ``breakages.toml``; a fast test checks that each still applies.
"""
