"""``sevenb show``: what a model is, and how it would run on this machine."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from sevenb.backend.quant_types import RawTensor
    from sevenb.model.checkpoint import Checkpoint
    from sevenb.model.config import ModelConfig

EPILOG = """Examples:

[dim]$[/] sevenb show qwen2.5-coder:0.5b

[dim]$[/] sevenb show ~/Downloads/model.gguf --tensors

[dim]$[/] sevenb show ~/Downloads/Qwen2.5-7B-Instruct-AWQ"""


def show(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="A stored model, or the path of a .gguf file or of a Hugging Face folder.",
            show_default=False,
        ),
    ],
    tensors: Annotated[bool, typer.Option("--tensors", help="List every tensor on a line of its own.")] = False,
) -> None:
    """Show a model's shape, its weights by type with the kernel that runs each, its licence and the memory it needs."""
    from sevenb.cli.console import download_progress, out
    from sevenb.model.catalog import display_name
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
            "Model": stored.name if stored else path.name if path.is_file() else display_name(path),
            "Name": config.name,
            "Architecture": config.architecture,
            "Parameters": _parameters(checkpoint),
            "Shape": _shape(config),
            "Context": f"{config.context_length:,} tokens{_stretch(config)}",
            "Quantization": config.quantization,
            "License": license_name,
            "Chat template": "yes" if checkpoint.metadata.get("tokenizer.chat_template") else "no",
            "Memory": _memory(checkpoint),
            "Folder" if path.is_dir() else "File": str(path),
        }
        for label, value in facts.items():
            out.print(f"[bold]{label:<14}[/] {value}", soft_wrap=True)
        out.print()
        out.print(_weights(checkpoint, every_tensor=tensors))


def _shape(config: "ModelConfig") -> str:
    return (
        f"{config.layers} layers, hidden size {config.hidden_size:,}, feed-forward {config.intermediate_size:,}, "
        f"{config.heads} heads on {config.kv_heads} KV heads of {config.head_dim}, vocabulary {config.vocab_size:,}"
    )


def _stretch(config: "ModelConfig") -> str:
    from sevenb.model.rope import rope_contexts

    rope, longest = config.rope, max(rope_contexts(config).values())
    scaling = f", RoPE stretched by {rope.scaling} × {rope.factor:g}" if rope.scaling else ""
    reach = f", up to {longest:,} by YaRN with --max-model-len" if longest > config.context_length else ""
    window = f", sliding window {config.sliding_window:,}" if config.sliding_window else ""
    return scaling + reach + window


def _memory(checkpoint: "Checkpoint") -> str:
    import psutil

    from sevenb.cli.console import size_text
    from sevenb.model.catalog import FIT_CONTEXT
    from sevenb.model.memory import kv_bytes_per_token, memory_needed
    from sevenb.model.shape import ModelShape

    shape = ModelShape.of(checkpoint.config, has_head="output.weight" in checkpoint.tensors)
    context = min(FIT_CONTEXT, shape.context_length)
    per_token = kv_bytes_per_token(shape)
    needed = memory_needed(shape, checkpoint.total_bytes, context)
    free = psutil.virtual_memory().available
    return (
        f"{size_text(needed)} with {context:,} tokens of context, of which {size_text(per_token * context)} for keys "
        f"and values; {size_text(free)} are free here: {'it fits' if needed <= free else 'that is too little'}"
    )


def _parameters(checkpoint: "Checkpoint") -> str:
    from sevenb.cli.console import count_text
    from sevenb.model.weight_table import head_repeats_embedding

    count = checkpoint.config.parameters
    repeated = head_repeats_embedding(checkpoint.tensors)
    if repeated:
        count -= math.prod(checkpoint.tensors["output.weight"].shape)
    also = "; the file holds the embedding twice, once as output head" if repeated else ""
    return f"{count_text(count)} ({count:,}{also})"


def _weights(checkpoint: "Checkpoint", *, every_tensor: bool) -> "Table":
    from rich.table import Table

    from sevenb.cli.console import size_text
    from sevenb.model.weight_table import weight_table

    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    table.add_column("WEIGHTS", no_wrap=True)
    for heading in ("TENSORS", "SHAPE", "SIZE"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("TYPE")
    table.add_column("KERNEL", no_wrap=True)
    for row in weight_table(checkpoint.tensors, _kernel_finder(checkpoint), every_tensor=every_tensor):
        shape = " × ".join(f"{length:,}" for length in row.shape)
        table.add_row(row.name, str(row.count), shape, size_text(row.bytes), row.quant_type.name, row.kernel)
    return table


def _kernel_finder(checkpoint: "Checkpoint") -> "Callable[[RawTensor], str]":
    """What says which kernel multiplies by a matrix of the checkpoint."""
    from sevenb.model.decoder import is_head, is_precise

    try:
        from sevenb.backend.native import NativeBackend
    except ImportError:
        return lambda tensor: "the native kernels are not built"
    backend = NativeBackend(threads=1)
    tensors = checkpoint.tensors
    return lambda tensor: backend.kernel_for(tensor, precise=is_precise(tensor, tensors), head=is_head(tensor, tensors))
