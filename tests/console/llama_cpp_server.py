"""llama.cpp's own HTTP server as a program: ``llama_cpp_server.py MODEL.gguf``; prints its address when it listens."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CONTEXT = 2048  # of both slots together


@contextmanager
def llama_cpp_serving(model: Path) -> Iterator[str]:
    """The server with a model, as another process; its address, without ``/v1``."""
    with subprocess.Popen(
        [sys.executable, __file__, str(model)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        try:
            address = process.stdout.readline().strip()
            assert address.startswith("http://"), "llama.cpp's server did not start"
            yield address
        finally:
            process.kill()


if __name__ == "__main__":
    from xllamacpp import CommonParams, Server

    params = CommonParams()
    params.model.path = sys.argv[1]
    params.model_alias = {"coder"}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_ctx, params.n_parallel = CONTEXT, 2
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1  # several wait for each other by spinning
    params.warmup = False
    params.use_jinja = params.endpoint_slots = True
    server = Server(params)
    print(server.listening_address, flush=True)
    signal.pause()
