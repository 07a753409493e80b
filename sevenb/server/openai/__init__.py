"""OpenAI's dialect: chat, completions, responses, embeddings, models."""
