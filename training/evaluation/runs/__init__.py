"""Run detectors over benchmarks and one's own files."""
