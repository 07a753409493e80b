"""Side-by-side measurements of speed and fidelity against llama.cpp: ``python -m benchmarks``."""
