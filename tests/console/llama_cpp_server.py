"""llama.cpp's own HTTP server as a program: ``llama_cpp_server.py MODEL.gguf``; prints its address when it listens."""

import signal
import sys

from xllamacpp import CommonParams, Server

CONTEXT = 2048  # of both slots together

if __name__ == "__main__":
    params = CommonParams()
    params.model.path = sys.argv[1]
    params.model_alias = {"coder"}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_ctx, params.n_parallel = CONTEXT, 2
    params.use_jinja = params.endpoint_slots = True
    server = Server(params)
    print(server.listening_address, flush=True)
    signal.pause()
