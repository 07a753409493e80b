"""The report: all that was measured on one page, with a verdict by stated rules; as HTML, Markdown and JSON."""
