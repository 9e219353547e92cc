"""From verdicts to alerts: rules, incidents, groups, maintenance, feedback."""
