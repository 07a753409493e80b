"""JSON Schema: what a grammar can say of it, what only a check can, and what is refused."""
