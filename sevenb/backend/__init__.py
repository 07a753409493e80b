"""Devices: the `Backend` protocol and its implementations, each a folder of its own."""
