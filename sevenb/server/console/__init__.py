"""What the web console asks the server for: the page itself, and the API behind it, one router a file."""
