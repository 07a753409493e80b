"""The lab: measures speed, memory and quality of any OpenAI-compatible server, and writes what a team decides from.

It speaks HTTP like any client and knows nothing of the engine; only `plan` reads the shapes of models.
"""
