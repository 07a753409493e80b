"""What was measured, kept: each run with its samples in a folder of its own, an index of all, and how two compare."""
