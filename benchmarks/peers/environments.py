"""The environments in which the peers run: made once, in ``results/``, by pip."""

import os
import subprocess
import sys
from pathlib import Path

from benchmarks.remote import ROOT

LLAMA_CPP_VERSION = "0.3.36"
IK_VERSION = "0.1.5"
FOLDER = ROOT / "results" / "peers"


def llama_cpp_python() -> Path:
    """Python with llama.cpp, built for this very processor: about ten minutes of compiling the first time.

    Raises `subprocess.CalledProcessError` after what went wrong was printed.
    """
    package = "llama-cpp-python"
    title = "Building llama.cpp, once: about ten minutes"
    options = ["--no-cache-dir", "--no-binary", package]
    return _environment(package, LLAMA_CPP_VERSION, title, options, CMAKE_ARGS="-DGGML_NATIVE=ON")


def ik_llama_cpp_python() -> Path:
    """Python with ik_llama.cpp as pip brings it: a library built for AVX2. Raises as `llama_cpp_python`."""
    return _environment("ik-llama-cpp-python", IK_VERSION, "Installing ik_llama.cpp", ["--only-binary", ":all:"])


def _environment(package: str, version: str, title: str, options: list[str], **variables: str) -> Path:
    folder = FOLDER / f"{package}-{version}"
    python, made = folder / "bin" / "python", folder / ".made"
    if not made.exists():
        _step(f"Making an environment for {package}", [sys.executable, "-m", "venv", "--clear", folder])
        _step(title, [python, "-m", "pip", "install", *options, f"{package}=={version}"], **variables)
        made.touch()
    return python


def _step(title: str, command: list[str | Path], **variables: str) -> None:
    log = FOLDER / "build.log"
    subprocess.run([ROOT / "tools" / "step", title, log, *command], env=os.environ | variables, check=True)
