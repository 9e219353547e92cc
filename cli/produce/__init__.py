"""``eddy produce`` and how its commands send."""
