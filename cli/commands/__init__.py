"""Define the commands that need one file each."""
