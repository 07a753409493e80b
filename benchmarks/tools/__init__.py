"""How well a model calls tools: cases, their scores and the table of them."""
