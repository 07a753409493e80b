"""Will it fit, and how fast can it be: arithmetic over shapes and devices, before any download."""
