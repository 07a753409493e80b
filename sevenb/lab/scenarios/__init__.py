"""Eight things that people do with a model, each with a check that needs no judge."""
