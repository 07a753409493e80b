"""Models: files and where they lie, tokenizer and chat template, and the decoder that runs on a backend."""
