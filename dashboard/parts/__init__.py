"""Provide the components, charts and texts that the dashboard's pages are made of."""
