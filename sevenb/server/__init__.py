"""The HTTP surface: one file a dialect; speaks to the engine process by typed messages."""
