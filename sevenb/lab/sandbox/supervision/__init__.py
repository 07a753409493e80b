"""The supervisor of programs, a process of its own: it confines them, watches them, and ends them.

Starts without the rest of sevenb, which would take longer to import than most programs run; hence relative imports.
"""
