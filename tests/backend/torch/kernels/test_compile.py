"""Every kernel compiles to machine code for the cards it is made for, whether or not there is one here."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

# What a program may have: shared memory in all, as the CUDA programming guide lists it by compute capability.
SHARED = {80: 163 << 10, 90: 227 << 10}
# Bytes of a stack, where there is one: the assembler keeps two numbers there and has registers for three programs.
STACK = {(80, "matrix"): 8}
STEPS = {90: ["awq-1", "q6_k-4", "matrix", "decode-fp8", "prefill-f16", "draw"], 80: ["q4_k-1", "matrix"]}


@pytest.mark.parametrize("architecture", [80, 90])
def test_a_7b_s_steps_compile_without_spilling(architecture: int) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    command = [sys.executable, "-m", "tests.backend.torch.kernels.compile_kernels", str(architecture)]
    ended = subprocess.run(
        [*command, *STEPS[architecture]], env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    kernels: list[dict[str, Any]] = [json.loads(line) for line in ended.stdout.splitlines()]
    assert {kernel["step"] for kernel in kernels} == set(STEPS[architecture])
    attention = [kernel["kernel"] for kernel in kernels if kernel["step"] == "prefill-f16"]
    assert len(set(attention)) == len(attention), "a kernel was compiled again for a batch of another length"
    for kernel in kernels:
        assert kernel["local"] == 0, kernel
        assert kernel["stack"] <= STACK.get((architecture, kernel["step"]), 0), kernel
        assert kernel["shared"] <= SHARED[architecture], kernel
        assert kernel["reg"] * kernel["threads"] <= 64 << 10, kernel
