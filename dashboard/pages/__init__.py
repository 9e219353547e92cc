"""The pages: each module has ``skeleton``, what stands still, and ``parts``, what is live."""
