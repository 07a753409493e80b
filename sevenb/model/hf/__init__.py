"""Hugging Face folders: configuration, weights and tokenizer as `Checkpoint` reads them."""
