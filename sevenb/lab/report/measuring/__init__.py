"""Measures what a report wants: how much, step by step, and goes on where it stopped."""
