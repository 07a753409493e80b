"""Migrations: how a database of any older sevenb becomes one of this."""
