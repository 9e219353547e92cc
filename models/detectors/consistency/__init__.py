"""Features that belong together: each is predicted from the others."""
