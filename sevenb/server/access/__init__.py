"""Who may ask, from where, and how much: keys, limits, other origins."""
