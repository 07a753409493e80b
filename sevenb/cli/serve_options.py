"""Options that ``serve`` alone has: its address, who may use it and how much, and which models it keeps."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from sevenb.cli.engine_options import COMPUTING, GIB, MEMORY

ACCESS = "Address and access"
LIMITS = "Limits"
MODELS = "Models"
REPLICAS = "Replicas"

DEFAULT_MAX_QUEUE = 1024  # requests
DEFAULT_MAX_BODY_SIZE = 32.0  # MiB

Models = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="MODEL",
        help="Catalog names (see sevenb list --all), hub repositories, paths of .gguf files or Hugging Face folders. "
        "The first is loaded at once, the others when they are asked for.",
        show_default="qwen2.5-coder:0.5b",
    ),
]

# -- address and access ------------------------------------------------------------------------------

Host = Annotated[
    str,
    typer.Option(
        metavar="HOST",
        help="Address to listen on; on another than loopback people sign in, and programs need a key.",
        rich_help_panel=ACCESS,
    ),
]
Port = Annotated[
    int,
    typer.Option(
        metavar="PORT", min=0, max=65535, help="Port to listen on; 0 takes any free one.", rich_help_panel=ACCESS
    ),
]
ApiKey = Annotated[
    list[str] | None,
    typer.Option(
        "--api-key",
        metavar="KEY",
        help="A key that lets clients in; may be repeated. Out of sight of other users of this machine: in "
        "SEVENB_API_KEY, with commas between.",
        show_default=False,
        rich_help_panel=ACCESS,
    ),
]
ApiKeyFile = Annotated[
    Path | None,
    typer.Option("--api-key-file", metavar="FILE", help="Keys, one a line.", rich_help_panel=ACCESS),
]
AllowedOrigins = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ORIGIN", help="Web pages of this origin may call the server; may be repeated.", rich_help_panel=ACCESS
    ),
]
AllowedHosts = Annotated[
    list[str] | None,
    typer.Option(
        "--allowed-host",
        metavar="NAME",
        help="A server without accounts and keys also answers to this name of its machine; may be repeated.",
        rich_help_panel=ACCESS,
    ),
]
Database = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        envvar="SEVENB_DATABASE",
        help="Where accounts and chats are kept: sqlite:///FILE or postgresql://…",
        show_default="a file below ~/.local/share/sevenb",
        rich_help_panel=ACCESS,
    ),
]
NoConsole = Annotated[
    bool,
    typer.Option("--no-console", help="The APIs alone: no page, no accounts, no database.", rich_help_panel=ACCESS),
]
LogLevel = Annotated[
    Literal["debug", "info", "warning", "error"],
    typer.Option(metavar="LEVEL", help="debug (shows every request), info, warning or error.", rich_help_panel=ACCESS),
]

# -- limits ------------------------------------------------------------------------------------------

RateLimit = Annotated[
    int | None,
    typer.Option(
        "--rate-limit",
        metavar="N",
        min=1,
        help="Requests in any minute with one key (without keys: from one address).",
        show_default="no limit",
        rich_help_panel=LIMITS,
    ),
]
MaxConcurrent = Annotated[
    int | None,
    typer.Option(
        "--max-concurrent",
        metavar="N",
        min=1,
        help="Requests with one key (without keys: from one address) that are answered at once.",
        show_default="no limit",
        rich_help_panel=LIMITS,
    ),
]
MaxQueue = Annotated[
    int,
    typer.Option(
        "--max-queue",
        metavar="N",
        min=0,
        help="Requests that may wait for a model which has its --max-num-seqs; more get status 429.",
        rich_help_panel=LIMITS,
    ),
]
MaxBodySize = Annotated[
    float,
    typer.Option(
        "--max-body-size", metavar="MIB", min=0.001, help="Size of the largest request.", rich_help_panel=LIMITS
    ),
]

# -- replicas ----------------------------------------------------------------------------------------

Replicas = Annotated[
    int,
    typer.Option(
        "--replicas",
        "--data-parallel-size",
        "-dp",
        metavar="N",
        min=1,
        help="Engines of the first model, among which requests are shared out.",
        rich_help_panel=REPLICAS,
    ),
]
Ray = Annotated[
    bool,
    typer.Option(
        "--ray",
        help="Place the replicas on the machines of a Ray cluster: that of RAY_ADDRESS, else this machine alone.",
        rich_help_panel=REPLICAS,
    ),
]

# -- models ------------------------------------------------------------------------------------------

ServedModelName = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="What clients call the first model; may be repeated.", rich_help_panel=MODELS),
]
GenerationConfig = Annotated[
    Literal["auto", "vllm"],
    typer.Option(
        "--generation-config",
        help="How models sample where requests do not say: as their makers recommend (auto), or always alike (vllm).",
        rich_help_panel=MODELS,
    ),
]
Upstreams = Annotated[
    list[str] | None,
    typer.Option(
        "--upstream",
        metavar="NAME=URL",
        help="Another OpenAI-compatible server, whose models the console shows as NAME/model; may be repeated. Its key "
        "goes into SEVENB_UPSTREAM_NAME_KEY.",
        rich_help_panel=MODELS,
    ),
]
Only = Annotated[
    bool,
    typer.Option(
        "--only", help="Serve the models named here, not every one that is on this machine.", rich_help_panel=MODELS
    ),
]
KeepAlive = Annotated[
    str | None,
    typer.Option(
        "--keep-alive",
        metavar="DURATION",
        help="How long a model stays loaded that nobody uses: 10m, 1h30m, 0, or -1 for ever.",
        show_default="for ever for the first model, 5m for others",
        rich_help_panel=MODELS,
    ),
]
MemoryBudget = Annotated[
    float | None,
    typer.Option(
        "--memory-budget",
        metavar="GIB",
        min=0.001,
        help="Memory for all models together. Where it does not suffice, the one that was used longest ago goes.",
        show_default="nine tenths of this machine's",
        rich_help_panel=MODELS,
    ),
]
LoraModules = Annotated[
    list[str] | None,
    typer.Option(
        "--lora-modules",
        metavar="NAME=PATH",
        help="A LoRA adapter of the first model, which clients use by its name; may be repeated.",
        rich_help_panel=MODELS,
    ),
]
Pooling = Annotated[
    Literal["mean", "last"] | None,
    typer.Option(
        help="How /v1/embeddings makes one vector of a text's tokens, with the first model.",
        show_default="as its file says; else last for qwen3, mean for others",
        rich_help_panel=MODELS,
    ),
]

# -- the engine --------------------------------------------------------------------------------------

MaxNumSeqs = Annotated[
    int, typer.Option(metavar="N", help="Answers generated at once; more wait.", rich_help_panel=MEMORY)
]
NoPrefixCaching = Annotated[
    bool,
    typer.Option("--no-enable-prefix-caching", help="Compute every prompt from its start.", rich_help_panel=MEMORY),
]
CpuIsa = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Force the kernels of an instruction set, e.g. portable.",
        show_default="the best here",
        rich_help_panel=COMPUTING,
    ),
]
MaxNumBatchedTokens = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Tokens one step computes at most.",
        show_default="512; on a card 2048",
        rich_help_panel=COMPUTING,
    ),
]
Seed = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=2**63 - 1,
        metavar="N",
        help="Seed of requests that bring none.",
        show_default="random",
        rich_help_panel=COMPUTING,
    ),
]


# -- what they mean ----------------------------------------------------------------------------------


def budget_bytes(gib: float | None) -> int | None:
    """``--memory-budget`` in bytes."""
    return None if gib is None else int(gib * GIB)
