"""Where the items of the tasks come from: a folder, a hub or a package; hashed, with their licence."""
