"""Show Eddy's state in a browser: the dashboard."""
