"""Several engines of one model behind one handle: on this machine, or on many through Ray."""
