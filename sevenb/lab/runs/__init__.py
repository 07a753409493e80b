"""Runs: what was measured, kept as it is measured, found again to go on with and to compare."""
