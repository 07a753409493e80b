"""``sevenb show``: what a model is, and how it would run on this machine."""

import math
from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from sevenb.backend.protocol import Backend
    from sevenb.backend.quant_types import QuantType
    from sevenb.model.checkpoint import Checkpoint
    from sevenb.model.config import ModelConfig

EPILOG = """Examples:

[dim]$[/] sevenb show qwen2.5-coder:0.5b

[dim]$[/] sevenb show ~/Downloads/model.gguf"""


def show(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A stored model, or the path of a .gguf file.", show_default=False)
    ],
) -> None:
    """Show a model's shape, its weights by type with the kernel that runs each, its licence and the memory it needs."""
    from sevenb.cli.console import count_text, download_progress, out
    from sevenb.model.checkpoint import Checkpoint
    from sevenb.model.store import Store

    store = Store()
    with download_progress() as progress:
        path = store.resolve(model, progress)
    stored = store.stored(model)
    with Checkpoint.open(path) as checkpoint:
        config = checkpoint.config
        license_name = (stored.license if stored else "") or str(
            checkpoint.metadata.get("general.license", "not stated")
        )
        facts = {
            "Model": stored.name if stored else path.name,
            "Name": config.name,
            "Architecture": config.architecture,
            "Parameters": f"{count_text(config.parameters)} ({config.parameters:,})",
            "Shape": _shape(config),
            "Context": f"{config.context_length:,} tokens{_stretch(config)}",
            "Quantization": config.quantization,
            "License": license_name,
            "Chat template": "yes" if checkpoint.metadata.get("tokenizer.chat_template") else "no",
            "Memory": _memory(checkpoint),
            "File": str(path),
        }
        for label, value in facts.items():
            out.print(f"[bold]{label:<14}[/] {value}", soft_wrap=True)
        out.print()
        out.print(_weights(checkpoint))


def _shape(config: "ModelConfig") -> str:
    return (
        f"{config.layers} layers, hidden size {config.hidden_size:,}, feed-forward {config.intermediate_size:,}, "
        f"{config.heads} heads on {config.kv_heads} KV heads of {config.head_dim}, vocabulary {config.vocab_size:,}"
    )


def _stretch(config: "ModelConfig") -> str:
    rope = config.rope
    scaling = f", RoPE stretched by {rope.scaling} × {rope.factor:g}" if rope.scaling else ""
    window = f", sliding window {config.sliding_window:,}" if config.sliding_window else ""
    return scaling + window


def _memory(checkpoint: "Checkpoint") -> str:
    import psutil

    from sevenb.cli.console import size_text
    from sevenb.model.catalog import FIT_CONTEXT, kv_bytes_per_token, memory_needed

    config = checkpoint.config
    context = min(FIT_CONTEXT, config.context_length)
    per_token = kv_bytes_per_token(config.layers, config.kv_heads, config.head_dim)
    needed = memory_needed(checkpoint.total_bytes, per_token, context)
    free = psutil.virtual_memory().available
    return (
        f"{size_text(needed)} with {context:,} tokens of context, of which {size_text(per_token * context)} for keys "
        f"and values; {size_text(free)} are free here: {'it fits' if needed <= free else 'that is too little'}"
    )


def _weights(checkpoint: "Checkpoint") -> "Table":
    from rich.table import Table

    from sevenb.cli.console import count_text, size_text

    tensors = checkpoint.tensors.values()
    sizes: Counter[QuantType] = Counter()
    for tensor in tensors:
        sizes[tensor.quant_type] += tensor.data.nbytes
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    table.add_column("WEIGHTS")
    for heading in ("TENSORS", "VALUES", "SIZE"):
        table.add_column(heading, justify="right")
    table.add_column("KERNEL", no_wrap=True)
    for quant_type, size in sizes.most_common():
        of_type = [tensor for tensor in tensors if tensor.quant_type == quant_type]
        values = sum(math.prod(tensor.shape) for tensor in of_type)
        table.add_row(
            quant_type.name,
            str(len(of_type)),
            count_text(values),
            size_text(size),
            _kernel(checkpoint, quant_type),
        )
    return table


def _kernel(checkpoint: "Checkpoint", quant_type: "QuantType") -> str:
    """The kernel that multiplies by this type, found by packing the smallest matrix that has it."""
    matrices = [t for t in checkpoint.tensors.values() if t.quant_type == quant_type and len(t.shape) == 2]
    if not matrices:
        return "vectors: norms and biases"
    try:
        from sevenb.backend.native import NativeBackend
    except ImportError:
        return "the native kernels are not built"
    backend: Backend = NativeBackend(threads=1)
    return backend.kernel_of(backend.pack(min(matrices, key=lambda tensor: tensor.data.nbytes)))
