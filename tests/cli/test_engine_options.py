"""What an engine is about to take is told in one line before it takes it."""

from rich.text import Text

from sevenb.cli.engine_options import memory_text
from sevenb.cli.serve_screen import ready_message
from sevenb.engine.messages import EngineReady, LoadPlan
from sevenb.server.instances import Instance


def test_the_line_of_a_start_names_every_share_of_memory() -> None:
    plan = LoadPlan(
        max_model_len=4096,
        kv_tokens=65536,
        kv_bytes=636_000_000,
        kv_dtype="k16v8",
        weight_bytes=485_000_000,
        free_bytes=12_600_000_000,
        working_bytes=120_000_000,
    )
    assert memory_text(plan) == (
        "KV cache: 65,536 tokens, k16v8, 636 MB; weights 485 MB; activations and the program up to 120 MB; "
        "12.6 GB are free"
    )


def test_the_line_of_a_card_tells_steps_and_graphs_apart_and_what_of_it_may_be_used() -> None:
    plan = LoadPlan(
        max_model_len=131072,
        kv_tokens=262144,
        kv_bytes=15_000_000_000,
        kv_dtype="bf16",
        weight_bytes=5_600_000_000,
        free_bytes=73_400_000_000,
        swap_bytes=15_000_000_000,
        working_bytes=350_000_000,
        graph_bytes=210_000_000,
        card_bytes=81_600_000_000,
    )
    assert memory_text(plan) == (
        "KV cache: 262,144 tokens, bf16, 15.0 GB, up to 15.0 GB more to remember prompts in the host's memory; weights "
        "5.6 GB; steps up to 350 MB; CUDA graphs 210 MB; 73.4 GB of the card's 81.6 GB may be used"
    )


def test_a_server_on_a_card_says_how_full_it_is() -> None:
    ready = EngineReady(
        model_name="coder",
        max_model_len=131072,
        kv_tokens=262144,
        kv_bytes=15_000_000_000,
        weight_bytes=5_600_000_000,
        device="torch (NVIDIA H100 80GB HBM3, bfloat16, Triton)",
        load_seconds=9.0,
        working_bytes=350_000_000,
        graph_bytes=210_000_000,
        card_bytes=81_600_000_000,
    )
    instance = Instance(pid=1, process_started=0.0, model="coder", host="127.0.0.1", port=8000, started=0.0)
    lines = Text.from_markup(ready_message(instance, ready)).plain.splitlines()
    assert "  Model    coder on torch (NVIDIA H100 80GB HBM3, bfloat16, Triton), loaded in 9.0 s" in lines
    assert "  Card     21.2 GB of 81.6 GB, of which steps take up to 350 MB, CUDA graphs 210 MB" in lines
