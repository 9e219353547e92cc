"""``eddy evaluate`` and the tables that it prints."""
