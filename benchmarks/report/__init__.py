"""Write measurements as tables and pictures."""
