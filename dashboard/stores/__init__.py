"""What the dashboard knows, put together from what the sources read."""
