"""Operate a running job: submit it, keep it up, check it, repair dead letters. The command line and the dashboard use it."""
