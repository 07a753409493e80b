"""What runs inside the sandbox: the two sides of a check and how values go between them."""
