"""A program: compiles for a card that is not here what a 7B's steps launch, and prints what the assembler says of it.

``python -m tests.backend.torch.kernels.compile_kernels 90 [NAME …]`` prints a line of JSON for each kernel: registers,
bytes of shared memory, bytes spilled. Tensors are never touched, only described; nothing is launched.
"""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.runtime.jit import JITFunction

from sevenb.backend.protocol import AttentionSpec, AttentionWeights, KVLayout, SampleControl
from sevenb.backend.torch import sampling
from sevenb.backend.torch.kernels.ops import TritonOps
from sevenb.backend.torch.kv import TorchKVCache, allocate_kv
from sevenb.backend.torch.step import StepShape, TorchStep, step_over
from sevenb.backend.torch.weights import FloatWeight, GroupedWeight

HIDDEN, INNER, HEADS, KV_HEADS, HEAD_DIM = 3584, 18944, 28, 4, 128  # of Qwen2.5 7B
VOCABULARY = 152064
SPEC = AttentionSpec(HEADS, KV_HEADS, HEAD_DIM, 1e-6, rope_interleaved=False)
TOOLS = Path(triton.__file__).parent / "backends/nvidia/bin"


class AbsentCard:
    """As much of a Triton driver as compiling needs."""

    def __init__(self, architecture: int) -> None:
        self.target = GPUTarget("cuda", architecture, 32)

    def get_current_target(self) -> GPUTarget:
        """What is compiled for."""
        return self.target

    def get_current_device(self) -> int:
        """The only one."""
        return 0

    def get_current_stream(self, device: int) -> int:
        """Nothing is launched on it."""
        return device


def awq(rows: int, columns: int) -> GroupedWeight:
    groups = (rows, columns // 128)
    codes = torch.empty(rows, columns // 8, dtype=torch.int32)
    half = torch.float16
    return GroupedWeight(codes, torch.empty(groups, dtype=half), 4, 128, zeros=torch.empty(groups, dtype=half))


def q4_k(rows: int, columns: int) -> GroupedWeight:
    codes = torch.empty(rows, columns // 8, dtype=torch.int32)
    scales = torch.empty(rows, columns // 32, dtype=torch.int16)
    levels = torch.empty(rows, columns // 256, 2, dtype=torch.float16)
    return GroupedWeight(codes, scales, 4, 32, levels=levels)


def q6_k(rows: int, columns: int) -> GroupedWeight:
    codes = torch.empty(rows, columns // 8, dtype=torch.int32)
    scales = torch.empty(rows, columns // 16, dtype=torch.int8)
    levels = torch.empty(rows, columns // 256, 1, dtype=torch.float16)
    upper = torch.empty(rows, columns // 8, dtype=torch.int16)
    return GroupedWeight(codes, scales, 4, 16, zero=32, levels=levels, upper=upper)


def q3_k(rows: int, columns: int) -> GroupedWeight:
    codes = torch.empty(rows, columns // 16, dtype=torch.int32)
    scales = torch.empty(rows, columns // 16, dtype=torch.int8)
    levels = torch.empty(rows, columns // 256, 1, dtype=torch.float16)
    upper = torch.empty(rows, columns // 16, dtype=torch.int16)
    return GroupedWeight(codes, scales, 2, 16, zero=4, levels=levels, upper=upper)


def q2_k(rows: int, columns: int) -> GroupedWeight:
    codes = torch.empty(rows, columns // 16, dtype=torch.int32)
    scales = torch.empty(rows, columns // 16, dtype=torch.int16)
    levels = torch.empty(rows, columns // 256, 2, dtype=torch.float16)
    return GroupedWeight(codes, scales, 2, 16, levels=levels)


def q5_0(rows: int, columns: int) -> GroupedWeight:
    codes = torch.empty(rows, columns // 8, dtype=torch.int32)
    scales = torch.empty(rows, columns // 32, dtype=torch.float16)
    upper = torch.empty(rows, columns // 8, dtype=torch.uint8)
    return GroupedWeight(codes, scales, 4, 32, zero=16, upper=upper)


def q5_k(rows: int, columns: int) -> GroupedWeight:
    return replace(q4_k(rows, columns), upper=torch.empty(rows, columns // 8, dtype=torch.uint8))


def q8_0(rows: int, columns: int) -> GroupedWeight:
    codes = torch.empty(rows, columns // 4, dtype=torch.int32)
    return GroupedWeight(codes, torch.empty(rows, columns // 32, dtype=torch.float16), 8, 32, zero=128)


def bf16(rows: int, columns: int) -> FloatWeight:
    return FloatWeight(torch.empty(rows, columns, dtype=torch.bfloat16))


def step_of(queries: int, context: int) -> TorchStep:
    """One sequence, its parts where those of a batch are."""
    shape = StepShape(tokens=queries, sequences=1, widest=context // 32, rows=1, angles=HEAD_DIM // 2)
    integers = torch.empty(3 * queries + 2 + 1 + 1 + shape.widest, dtype=torch.int32)
    return step_over(integers, torch.empty(2, queries, shape.angles), shape, (0, queries), (context,))


def cache_of(dtype: str) -> TorchKVCache:
    return allocate_kv(KVLayout(1, KV_HEADS, HEAD_DIM, 32, dtype), 4, torch.device("cpu"))


def project(weight: Callable[[int, int], Any], tokens: int, dtype: torch.dtype) -> None:
    """All projections of a layer."""
    ops, norm, hidden = TritonOps(dtype), torch.empty(HIDDEN), torch.empty(tokens, HIDDEN)
    sizes = [heads * HEAD_DIM for heads in (HEADS, KV_HEADS, KV_HEADS)]
    weights, biases = [weight(size, HIDDEN) for size in sizes], [torch.empty(size) for size in sizes]
    ops.norm_linears(hidden, norm, 1e-6, weights, biases)
    ops.linear_add(hidden, torch.empty(tokens, HIDDEN, dtype=dtype), weight(HIDDEN, HIDDEN))
    ops.norm_gate_up(hidden, norm, 1e-6, weight(INNER, HIDDEN), weight(INNER, HIDDEN))


def attend(queries: int, cache_dtype: str, dtype: torch.dtype) -> None:
    """Attention, and what stands before it."""
    ops, step, cache = TritonOps(dtype), step_of(queries, 32768), cache_of(cache_dtype)
    sizes = [heads * HEAD_DIM for heads in (HEADS, KV_HEADS, KV_HEADS)]
    joined = torch.empty(queries, sum(sizes), dtype=dtype)
    first, key, value = torch.split(joined, sizes, 1)
    bias = torch.empty(KV_HEADS * HEAD_DIM)
    weights = AttentionWeights(norm=None, query=None, key=None, value=None, key_bias=bias, key_balance=bias)
    ops.rope_store(first, key, value, weights, SPEC, step, cache, 0)
    query = torch.zeros(queries, HEADS * HEAD_DIM, dtype=dtype)
    ops.attention(query, SPEC, step, cache, 0)


def answer_prompts() -> None:
    """Chunks of prompts of any length."""
    for queries in (512, 513, 514, 515):
        attend(queries, "f16", torch.float16)


def write_out() -> None:
    """A prompt long enough for weights to be written out."""
    TritonOps(torch.float16).linear(torch.zeros(512, 1024, dtype=torch.float16), awq(64, 1024))


def multiply() -> None:
    """One product for the tensor cores."""
    TritonOps(torch.float16).linear(torch.zeros(64, HIDDEN, dtype=torch.float16), awq(HIDDEN, HIDDEN))


def draw() -> None:
    """Tokens of four sequences, one of them with a mask and a penalty."""
    control = SampleControl(
        top_k=20, top_p=0.8, repetition_penalty=1.1, prompt_tokens=np.arange(9, dtype=np.int32),
        allowed=np.ones(VOCABULARY // 32, np.uint32),
    )  # fmt: skip
    sampling.chosen(TritonOps(torch.float16), torch.empty(4, VOCABULARY), [control, *[SampleControl()] * 3])


STEPS: dict[str, Callable[[], None]] = {
    "awq-1": lambda: project(awq, 1, torch.float16),
    "awq-4": lambda: project(awq, 4, torch.float16),
    "awq-64": lambda: project(awq, 64, torch.float16),
    "matrix": multiply,
    "awq-512": write_out,
    "q4_k-1": lambda: project(q4_k, 1, torch.bfloat16),
    "q4_k-64": lambda: project(q4_k, 64, torch.bfloat16),
    "q6_k-1": lambda: project(q6_k, 1, torch.bfloat16),
    "q6_k-4": lambda: project(q6_k, 4, torch.bfloat16),
    "q6_k-64": lambda: project(q6_k, 64, torch.bfloat16),
    "q3_k-1": lambda: project(q3_k, 1, torch.float16),
    "q3_k-4": lambda: project(q3_k, 4, torch.float16),
    "q3_k-64": lambda: project(q3_k, 64, torch.float16),
    "q2_k-1": lambda: project(q2_k, 1, torch.float16),
    "q2_k-64": lambda: project(q2_k, 64, torch.float16),
    "q5_0-1": lambda: project(q5_0, 1, torch.bfloat16),
    "q5_0-4": lambda: project(q5_0, 4, torch.bfloat16),
    "q5_0-64": lambda: project(q5_0, 64, torch.bfloat16),
    "q5_k-1": lambda: project(q5_k, 1, torch.bfloat16),
    "q5_k-64": lambda: project(q5_k, 64, torch.bfloat16),
    "q8_0-1": lambda: project(q8_0, 1, torch.bfloat16),
    "bf16-1": lambda: project(bf16, 1, torch.bfloat16),
    "bf16-4": lambda: project(bf16, 4, torch.bfloat16),
    "draw": draw,
    "decode-f16": lambda: attend(1, "f16", torch.float16),
    "decode-bf16": lambda: attend(1, "bf16", torch.bfloat16),
    "decode-int8": lambda: attend(1, "int8", torch.float16),
    "decode-fp8": lambda: attend(1, "fp8", torch.float16),
    "draft-f16": lambda: attend(8, "f16", torch.float16),
    "prefill-f16": answer_prompts,
    "prefill-int8": lambda: attend(512, "int8", torch.float16),
}


def usage(binary: bytes) -> dict[str, int]:
    """What the assembler set aside: registers a thread, bytes of shared memory, of stack and of local memory."""
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(binary)
        file.flush()
        told = subprocess.run(
            [TOOLS / "cuobjdump", "-res-usage", file.name], check=True, capture_output=True, text=True
        )
    numbers = re.findall(r"(REG|STACK|SHARED|LOCAL):(\d+)", told.stdout)
    return {name.lower(): int(number) for name, number in numbers}


def main(architecture: int, names: list[str]) -> None:
    """Compile the named steps, or all."""
    triton.runtime.driver.set_active(AbsentCard(architecture))
    launch = JITFunction.run
    seen = set()

    def compile_only(self: Any, *arguments: Any, grid: Any, warmup: bool, **options: Any) -> Any:
        kernel = launch(self, *arguments, grid=grid, warmup=True, **options)
        if kernel.hash not in seen:
            seen.add(kernel.hash)
            # What a program may use beside what the assembler knows of is asked for at launch.
            told = usage(kernel.asm["cubin"]) | {
                "shared": kernel.metadata.shared,
                "threads": 32 * kernel.metadata.num_warps,
            }
            print(json.dumps({"step": name, "kernel": kernel.metadata.name, "grid": list(grid), **told}), flush=True)
        return kernel

    JITFunction.run = compile_only
    for name in names or STEPS:
        STEPS[name]()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
