"""Tokens guessed ahead, which the model then checks several at a time: the text stays what it would have been."""
