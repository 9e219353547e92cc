"""Contract suites that packages of detectors, thresholds, sinks, formats and dashboard pages run in their own tests."""
