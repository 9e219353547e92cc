"""The dashboard's web server: application, live updates, actions, security."""
