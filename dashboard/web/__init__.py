"""Serve the dashboard: application, live updates, actions, security."""
