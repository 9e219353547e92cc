"""Keep what the sources have read, in the form that the pages need."""
