"""What an engine is about to take is told in one line before it takes it."""

from sevenb.cli.engine_options import memory_text
from sevenb.engine.messages import LoadPlan


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
