"""Prints what to install, from pyproject.toml: ``python tools/requirements.py run|develop|devices|build``."""

import shutil
import sys
import tomllib
from pathlib import Path


def requirements(purpose: str) -> list[str]:
    """Requirement lines; ``develop`` includes ``run``, and ``build`` adds CMake and Ninja where the system has none.

    ``devices`` are torch, Triton and Ray, without which ``develop`` leaves tests out.
    """
    pyproject = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8"))
    project = pyproject["project"]
    if purpose == "build":
        return [
            *pyproject["build-system"]["requires"],
            *(tool for tool in ("cmake", "ninja") if not shutil.which(tool)),
        ]
    if purpose == "devices":
        return list(pyproject["dependency-groups"]["devices"])
    return project["dependencies"] + (project["optional-dependencies"]["dev"] if purpose == "develop" else [])


if __name__ == "__main__":
    print("\n".join(requirements(sys.argv[1])))
