"""Other servers that speak OpenAI's API: their models answer the console beside those of this machine."""
