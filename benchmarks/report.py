"""Markdown tables of kept results."""

from collections.abc import Sequence
from statistics import median

from benchmarks.contenders import OURS
from benchmarks.results import FidelityResult, ModelFacts, RowResult, Series, StructuredResult, ToolResult
from benchmarks.rows import IK, LLAMA_CPP, ROWS, Row


def speed_report(rows: Sequence[RowResult], facts: Sequence[ModelFacts], fidelity: Sequence[FidelityResult]) -> str:
    """All of the speed section: conditions, the comparison, the same on AVX2 alone, what concerns us alone, engines."""
    models = list(dict.fromkeys(result.model for result in rows))
    parts = [
        _conditions([*rows, *facts]),
        _comparison(rows, models, [row for row in ROWS if not row.isa and not row.plotted_only], [LLAMA_CPP, IK]),
        _comparison(rows, models, [row for row in ROWS if row.isa], [IK]),
        _facts_table(rows, facts, fidelity),
        _engines(rows),
    ]
    return "\n\n".join(part for part in parts if part)


def fidelity_report(results: Sequence[FidelityResult]) -> str:
    """All of the fidelity section."""
    tables = [_conditions(results)]
    for length in sorted({result.length for result in results}):
        same = [result for result in results if result.length == length]
        tokens = next(iter(same[0].engines.values())).tokens
        tables.append(f"{tokens:,} tokens in {same[0].pieces} pieces of up to {length:,}\n\n{_fidelity_table(same)}")
    return "\n\n".join(tables)


def structured_report(results: Sequence[StructuredResult]) -> str:
    """All of the section on answers of a guaranteed shape."""
    heads = ["tokens", "steps", "form", "free text", "faster", "a mask adds to a step"]
    lines = [f"| tokens a second | {' | '.join(heads)} |", "|---|" + "--:|" * len(heads)]
    for result in results:
        lines.append(f"| **{result.model}** | | | | | | {median(result.mask_costs):.1%} |")
        for form in result.forms:
            rates = (f"{median(form.rates):.1f}", f"{median(form.free_rates):.1f}", f"**{form.speedup:.2f}×**")
            lines.append(f"| {form.form} | {form.tokens} | {form.steps} | {' | '.join(rates)} | |")
    return "\n\n".join([_conditions(results), "\n".join(lines)])


def tools_report(results: Sequence[ToolResult]) -> str:
    """All of the tools section: a table a model."""
    return "\n\n".join([_conditions(results), *map(_tools_table, results)])


# -- details -------------------------------------------------------------------------------------------


def _conditions(results: Sequence[RowResult | ModelFacts | FidelityResult | ToolResult | StructuredResult]) -> str:
    lines = list(dict.fromkeys(result.conditions for result in results))
    loads = [result.load for result in results if isinstance(result, RowResult | StructuredResult)]
    if loads:
        lines.append(f"Load average before a row: {median(loads):.1f}, at most {max(loads):.1f}")
    return "  \n".join(lines)


def _comparison(rows: Sequence[RowResult], models: Sequence[str], wanted: Sequence[Row], peers: Sequence[str]) -> str:
    """Ratios first, then medians of tokens a second with their range and a peer's setting."""
    by_key = {(result.model, result.row): result for result in rows}
    if not any((model, row.key) in by_key for model in models for row in wanted):
        return ""
    heads = [*(f"÷ {peer}" for peer in peers), OURS, *peers]
    lines = [f"| tokens a second | {' | '.join(heads)} |", "|---|" + "--:|" * len(heads)]
    for model in models:
        found = [(row, by_key[model, row.key]) for row in wanted if (model, row.key) in by_key]
        if found:
            lines.append(f"| **{model}** |" + " |" * len(heads))
        for row, result in found:
            cells = [_ratio(result.ratio(peer)) for peer in peers]
            cells += [_figure(result.of(engine)) for engine in (OURS, *peers)]
            lines.append(f"| {row.title} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _ratio(ratio: float | None) -> str:
    return "" if ratio is None else f"**{ratio:.2f}×**"


def _figure(series: Series | None) -> str:
    """Median, range, and the setting where there was a choice."""
    if series is None:
        return ""
    digits = 1 if series.median < 1000 else 0
    spread = f" ({min(series.values):.0f}–{max(series.values):.0f})" if len(series.values) > 1 else ""
    setting = f" `{series.setting}`" if series.engine != OURS else ""
    return f"{series.median:.{digits}f}{spread}{setting}"


def _facts_table(rows: Sequence[RowResult], facts: Sequence[ModelFacts], fidelity: Sequence[FidelityResult]) -> str:
    if not facts:
        return ""
    decoding = {result.model: result.series[0].median for result in rows if result.row == "decode-0"}
    columns = [_facts_column(fact, decoding.get(fact.model), fidelity) for fact in facts]
    lines = ["| | " + " | ".join(fact.model for fact in facts) + " |", "|---|" + "--:|" * len(facts)]
    lines += [f"| {title} | {' | '.join(column[title] for column in columns)} |" for title in columns[0]]
    return "\n".join(lines)


def _facts_column(fact: ModelFacts, decoding: float | None, fidelity: Sequence[FidelityResult]) -> dict[str, str]:
    bandwidth = max(fact.bandwidth)
    read = ""
    if decoding is not None:
        rate = fact.weight_bytes * decoding
        read = f"{rate / 1e9:.1f} of {bandwidth / 1e9:.1f} GB/s: {100 * rate / bandwidth:.0f} %"
    kl = [
        f"{result.engines[engine].mean_kl_in_context:.1e} ({engine})"
        for result in fidelity
        if result.model == fact.model and result.length == min(other.length for other in fidelity)
        for engine in (next(iter(result.engines)),)
    ]
    return {
        "from command to first token": f"{median(fact.first_token):.2f} s",
        "weights read while decoding": read,
        "outside of the kernels, of a decode step": f"{100 * fact.python_share:.1f} %",
        "KV cache, a token": f"{fact.kv_bytes_per_token / 1e3:.1f} KB",
        "memory beside weights and KV cache": f"{fact.overhead_bytes / 1e6:.0f} MB",
        "mean KL in context": kl[0] if kl else "",
    }


def _engines(rows: Sequence[RowResult]) -> str:
    descriptions = dict.fromkeys(series.description for result in rows for series in result.series)
    return "\n".join(f"- {description}" for description in descriptions)


def _fidelity_table(results: Sequence[FidelityResult]) -> str:
    lines = [
        "| | mean KL | mean KL in context | 99.9 % KL | perplexity | difference | same top token |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for result in results:
        any_engine = next(iter(result.engines.values()))
        lines.append(
            f"| **{result.model}**: float32 reference | 0 | 0 | 0 | {any_engine.reference_perplexity:.3f} | | |"
        )
        lines += [
            f"| {engine} | {fidelity.mean_kl:.1e} | {fidelity.mean_kl_in_context:.1e} | {fidelity.kl_999:.1e} "
            f"| {fidelity.perplexity:.3f} | {100 * fidelity.perplexity_change:+.2f} % "
            f"| {100 * fidelity.top1_agreement:.2f} % |"
            for engine, fidelity in result.engines.items()
        ]
    return "\n".join(lines)


def _tools_table(result: ToolResult) -> str:
    lines = [
        f"| **{result.model}** | cases | well-formed | right tools | right | right without grammar "
        "| demanded: well-formed | right |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for score in result.kinds:
        demanded = [f"{score.demanded_well_formed} of {score.demanded}", f"{score.demanded_right} of {score.demanded}"]
        cells = [
            score.cases,
            score.well_formed,
            score.right_tools,
            score.right,
            score.unaided,
            *(demanded if score.demanded else ["–", "–"]),
        ]
        lines.append(f"| {score.kind} | {' | '.join(map(str, cells))} |")
    cases, demanded_cases = (sum(getattr(score, field) for score in result.kinds) for field in ("cases", "demanded"))
    shares = [
        _share(sum(getattr(score, field) for score in result.kinds), whole)
        for field, whole in [
            ("well_formed", cases),
            ("right_tools", cases),
            ("right", cases),
            ("unaided", cases),
            ("demanded_well_formed", demanded_cases),
            ("demanded_right", demanded_cases),
        ]
    ]
    return "\n".join([*lines, f"| all | {cases} | {' | '.join(shares)} |"])


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else "–"
