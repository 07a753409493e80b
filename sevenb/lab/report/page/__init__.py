"""The pages of a report: HTML and Markdown of the same sections, tables and plots."""
