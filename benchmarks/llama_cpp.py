"""The environment in which llama.cpp runs: made once, in ``results/``, with llama.cpp built for this very processor."""

import os
import subprocess
import sys
from pathlib import Path

from benchmarks.remote import ROOT

VERSION = "0.3.36"


def llama_cpp_python() -> Path:
    """Python of the environment, which is made first if it is not there: about ten minutes of compiling.

    Raises `subprocess.CalledProcessError` after what went wrong was printed.
    """
    folder = ROOT / "results" / "peers" / f"llama-cpp-python-{VERSION}"
    python, made = folder / "bin" / "python", folder / ".made"
    if not made.exists():
        _step("Making an environment for llama.cpp", [sys.executable, "-m", "venv", "--clear", folder])
        package = "llama-cpp-python"
        _step(
            "Building llama.cpp, once: about ten minutes",
            [python, "-m", "pip", "install", "--no-cache-dir", "--no-binary", package, f"{package}=={VERSION}"],
            CMAKE_ARGS="-DGGML_NATIVE=ON",
        )
        made.touch()
    return python


def _step(title: str, command: list[str | Path], **environment: str) -> None:
    log = ROOT / "results" / "peers" / "build.log"
    subprocess.run([ROOT / "tools" / "step", title, log, *command], env=os.environ | environment, check=True)
