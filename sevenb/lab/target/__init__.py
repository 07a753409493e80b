"""What is measured: a server and a model on it, how it is reached, started and described, and one timed request."""
