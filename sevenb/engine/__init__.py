"""The engine: what is scheduled, step by step, on one model; knows no HTTP and no device."""
