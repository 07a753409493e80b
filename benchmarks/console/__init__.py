"""How quick the console is: real Chromium on the real page and server."""
