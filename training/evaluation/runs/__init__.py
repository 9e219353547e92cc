"""Run detectors over benchmarks and over users' own files."""
