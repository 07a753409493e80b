"""Answers that are being made, which outlive the page that asked for them."""
