"""Ollama's dialect: chat, generate, embed, and its view of the models that are here."""
