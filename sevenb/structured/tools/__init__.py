"""Tools: how their calls are demanded of a model, and read from what it writes."""
