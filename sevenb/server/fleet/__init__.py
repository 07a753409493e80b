"""The models behind the routes: which there are, which are loaded, and who holds them."""
