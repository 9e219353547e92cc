"""Run detectors over public labelled data sets, beside baselines, by the protocol of docs/evaluation.md."""
