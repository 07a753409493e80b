"""Speed and memory: latency by length of context, throughput by number of clients, memory by mode."""
