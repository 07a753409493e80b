"""One module a version of the tables, named after what it brings."""
