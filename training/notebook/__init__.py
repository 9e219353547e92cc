"""``from eddy import Detector``: fit, detect and plot on data frames, with the job's own engine."""
