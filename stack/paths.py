"""Locate the local stack's files."""

from __future__ import annotations

from pathlib import Path

from eddy.data_folder import HOME_VARIABLE, data_dir, home

__all__ = ["HOME_VARIABLE", "ROOT", "data_dir", "home"]

ROOT = Path(__file__).resolve().parents[1]
