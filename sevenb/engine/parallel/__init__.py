"""Tensor parallelism: one engine whose model is shared by several ranks, each a process with a device of its own.

Rank 0 is the engine's own process. It schedules, samples and answers as ever; before each step it tells the others what
it is about to compute, and they compute their parts of it at the same time.
"""
