"""Answers of a guaranteed shape: what a client asked for, as grammars that the engine enforces token by token."""
