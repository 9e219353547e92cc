"""Turn verdicts into alerts: rules, incidents, groups, maintenance, feedback."""
