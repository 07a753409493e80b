"""``sevenb run``: chat in the terminal, or answer one prompt."""

import contextlib
import io
import logging
import os
import signal
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sevenb.cli.chat_settings import PARAMETERS, Settings, unescape
from sevenb.cli.engine_options import (
    DEFAULT_PREFIX_CACHE_DISK,
    AsyncScheduling,
    Backend,
    Device,
    Dtype,
    EnforceEager,
    KVCacheDtype,
    MaxModelLen,
    MemoryUtilization,
    NoSpeculation,
    NumSpeculativeTokens,
    PrefixCacheDir,
    PrefixCacheDisk,
    Quantization,
    SpeculativeModel,
    SwapSpace,
    TensorParallelSize,
    Threads,
    draft_path,
    memory_fields,
    memory_text,
)
from sevenb.model.catalog import DEFAULT_MODEL

if TYPE_CHECKING:
    from sevenb.engine.llm import LLM
    from sevenb.engine.messages import LoadPlan

EPILOG = """Examples:

[dim]$[/] sevenb run  [dim]# chat with the small default model[/]

[dim]$[/] sevenb run qwen2.5-coder:1.5b "Write a haiku about autumn."

[dim]$[/] git diff | sevenb run qwen2.5-coder:1.5b "Write a commit message for this change." > message.txt"""


_ANSWERS = "Answers"


def _parameter(name: str, metavar: str, more: str = "") -> Any:
    known = PARAMETERS[name]
    default = Settings().text(name) if known.default or known.absent != "none" else False
    return typer.Option(metavar=metavar, help=known.help + more, show_default=default, rich_help_panel=_ANSWERS)


def run(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="Catalog name (see sevenb list --all), hub repository or path of a .gguf file or Hugging Face folder.",
        ),
    ] = DEFAULT_MODEL,
    prompt: Annotated[
        list[str] | None,
        typer.Argument(metavar="PROMPT", help="What to answer; text on standard input is added.", show_default=False),
    ] = None,
    system: Annotated[str | None, _parameter("system", "TEXT")] = None,
    temperature: Annotated[float | None, _parameter("temperature", "NUMBER")] = None,
    top_p: Annotated[float | None, _parameter("top_p", "SHARE")] = None,
    top_k: Annotated[int | None, _parameter("top_k", "N")] = None,
    min_p: Annotated[float | None, _parameter("min_p", "SHARE")] = None,
    seed: Annotated[int | None, _parameter("seed", "N")] = None,
    max_tokens: Annotated[int | None, _parameter("max_tokens", "N")] = None,
    stop: Annotated[list[str] | None, _parameter("stop", "TEXT", " May be repeated.")] = None,
    max_model_len: MaxModelLen = None,
    kv_cache_dtype: KVCacheDtype = "auto",
    memory_utilization: MemoryUtilization = None,
    swap_space: SwapSpace = None,
    prefix_cache_dir: PrefixCacheDir = None,
    prefix_cache_disk: PrefixCacheDisk = DEFAULT_PREFIX_CACHE_DISK,
    no_speculation: NoSpeculation = False,
    speculative_model: SpeculativeModel = None,
    num_speculative_tokens: NumSpeculativeTokens = 16,
    device: Device = "auto",
    backend: Backend = "auto",
    dtype: Dtype = "auto",
    quantization: Quantization = None,
    tensor_parallel_size: TensorParallelSize = 1,
    enforce_eager: EnforceEager = False,
    async_scheduling: AsyncScheduling = True,
    threads: Threads = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Show the speed after each answer.", rich_help_panel=_ANSWERS)
    ] = False,
) -> None:
    """Chat in the terminal, or answer one prompt.

    With a prompt, or with text on standard input, the answer alone is printed: good for scripts. The model is
    downloaded when it is not on this machine yet.
    """
    for stream in (sys.stdin, sys.stdout):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal of another encoding is no reason to fail
    if not os.environ.get("SEVENB_DEBUG"):
        logging.getLogger("sevenb").addHandler(logging.NullHandler())  # errors are told in one sentence

    settings = Settings(
        system=system,
        temperature=temperature,
        top_p=top_p,
        top_k=top_k,
        min_p=min_p,
        seed=seed,
        max_tokens=max_tokens,
        stop=tuple(map(unescape, stop)) if stop else None,
    )
    text = _prompt(prompt or [])
    llm = _load(
        model,
        speculative_model,
        threads=threads,
        max_model_len=max_model_len,
        device=device,
        backend=backend,
        dtype=dtype,
        quantization=quantization,
        tensor_parallel_size=tensor_parallel_size,
        enforce_eager=enforce_eager,
        async_scheduling=async_scheduling,
        kv_cache_dtype=kv_cache_dtype,
        memory_utilization=memory_utilization,
        speculation=not no_speculation,
        num_speculative_tokens=num_speculative_tokens,
        **memory_fields(swap_space=swap_space, prefix_cache_dir=prefix_cache_dir, prefix_cache_disk=prefix_cache_disk),
    )
    settings.recommend(llm.recommended_sampling)
    if text is None:
        from sevenb.cli.chat import Chat
        from sevenb.errors import InvalidRequest
        from sevenb.model.store import default_home

        if llm.chat_template.source is None:
            raise InvalidRequest(
                f"{llm.info.model_name} has no chat template, so it cannot chat; give it a text to go on with: "
                f'sevenb run {model} "Once upon a time"'
            )
        Chat(llm, settings, history=default_home() / "history", verbose=verbose).run()
    else:
        _answer_once(llm, text, settings, verbose=verbose)


def _prompt(words: list[str]) -> str | None:
    """What to answer: the argument, and after it what comes through a pipe; None to chat."""
    from sevenb.errors import InvalidRequest

    argument = " ".join(words)
    if sys.stdin is None:  # closed by whoever started the program
        sys.stdin = io.StringIO()
    piped = not sys.stdin.isatty()
    if not argument and not piped and sys.stdout.isatty():
        return None
    text = sys.stdin.read() if piped or not argument else ""
    prompt = "\n\n".join(part for part in (argument, text) if part.strip())
    if not prompt:
        raise InvalidRequest("There is nothing to answer; give a prompt, or text on standard input.", "prompt")
    return prompt


def _load(model: str, draft: str | None, **options: object) -> "LLM":
    from sevenb.cli.console import download_progress, err, stoppable
    from sevenb.engine.device_choice import check_device
    from sevenb.engine.engine_config import EngineConfig
    from sevenb.engine.llm import LLM
    from sevenb.model.download import Silent
    from sevenb.model.store import Store

    # Scripts that keep standard error want to read there what went wrong, and nothing else.
    downloading = download_progress() if err.is_terminal else contextlib.nullcontext(Silent())
    loading = err.status(f"Loading {model} …") if err.is_terminal else contextlib.nullcontext()
    check_device(EngineConfig(model=model, **options))  # type: ignore[arg-type]
    with stoppable("What arrived is kept; run the same command again to go on."), downloading as progress:
        Store().ensure(model, progress)
        options["speculative_model"] = draft_path(Store(), draft, progress)
    with stoppable("Nothing was answered."), loading:
        return LLM(model, announce=_announce, max_num_seqs=1, **options)  # type: ignore[arg-type]


def _announce(plan: "LoadPlan") -> None:
    from sevenb.cli.console import err

    if err.is_terminal:
        for line in (*plan.notes, memory_text(plan)):
            err.print(line, style="dim", markup=False, soft_wrap=True)


def _answer_once(llm: "LLM", prompt: str, settings: Settings, *, verbose: bool) -> None:
    from sevenb.cli.answer import cut_text, print_answer, speed_text
    from sevenb.cli.console import err
    from sevenb.cli.conversation import Conversation

    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `| head` ends the program silently, as it does all others
    params = settings.sampling_params
    if llm.chat_template.source is None:
        stream = llm.stream(prompt, params)
    else:
        stream = llm.stream(Conversation(llm).prompt(prompt, settings.system, params.max_tokens).token_ids, params)
    try:
        answer = print_answer(stream)
    except KeyboardInterrupt:
        print()
        raise typer.Exit(130) from None
    if cut := cut_text(answer, params.max_tokens):
        err.print(cut, style="yellow", soft_wrap=True)
    if verbose:
        err.print(speed_text(answer), style="dim", soft_wrap=True)
