"""Quality: the tasks of the field and one's own, each with its prompts, its reading of answers and its score."""
