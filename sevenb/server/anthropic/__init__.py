"""Anthropic's dialect: messages, with tools and streams."""
