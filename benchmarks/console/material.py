"""What the console is given to draw: prose, lists, code, tables, formulas and Chinese, as answers have them."""

from typing import Any

from tests.console.archives import chat

THE_END = "Here ends the last answer."

_SECTIONS = (
    "## {n}. What a block holds\n\nA sequence keeps its keys and values in **blocks** of 32 tokens; `allocate` takes "
    "one from the pool and `release` gives it back. Blocks that two sequences share are *counted*, and only the last "
    "one frees them, so that a prompt that is asked {n} times is computed once.\n\n"
    "- A block is found again by the hash of its tokens and of the block before it.\n"
    "- The oldest block that nobody uses is the first to go.\n"
    "- A block that is written belongs to one sequence alone.\n\n",
    "## {n}. The same in code\n\n```python\nfrom dataclasses import dataclass\n\n\n@dataclass(frozen=True)\n"
    "class Block{n}:\n"
    '    """Keys and values of 32 tokens."""\n\n    number: int\n    users: int = 0\n\n'
    "    def shared(self) -> bool:\n        return self.users > 1  # written by nobody\n\n\n"
    "def find(blocks: list[Block{n}], number: int) -> Block{n} | None:\n"
    "    return next((block for block in blocks if block.number == number), None)\n```\n\n"
    "It returns `None` where there is no such block, and never raises.\n\n",
    "## {n}. In figures\n\n| tokens before | decode | attention | memory |\n|--:|--:|--:|--:|\n"
    "| 0 | {n} ms | 0.2 ms | 9 KB |\n| 4,096 | 18.6 ms | 2.3 ms | 40 MB |\n| 16,384 | 26.5 ms | 9.8 ms | 159 MB |\n"
    "| 32,000 | 38.3 ms | 21.4 ms | 310 MB |\n\nWhat is before a token costs more than the token.\n\n",
    "## {n}. The formula\n\nAttention weighs the values by how well their keys fit the query $q_{n}$:\n\n"
    "$$\\operatorname{{attention}}(Q, K, V) = "
    "\\operatorname{{softmax}}\\left(\\frac{{QK^\\top}}{{\\sqrt{{d_k}}}}\\right) "
    "V, \\qquad \\sum_{{i=1}}^{{n}} p_i = 1$$\n\nwith $d_k = 64$, and so $\\sqrt{{d_k}} = 8$.\n\n",
    "## {n}. 中文说明\n\n缓存按块管理，每块保存三十二个词元的键和值。两个会话的开头相同时，它们共用同样的块，"
    "因此同一段提示只计算一次。第 {n} 次提问几乎不需要等待：\n\n1. 先按散列值查找已有的块；\n2. 再分配新的块；\n"
    "3. 最后释放**最久未使用**的块。\n\n> 写入之前，共享的块会先复制一份，其他会话看不到任何变化。\n\n",
)


def sections(count: int, first: int = 1) -> str:
    """So many sections in Markdown, numbered from ``first``; five in a row are of five kinds."""
    return "".join(
        _SECTIONS[number % len(_SECTIONS)].format(n=number) for number in range(first, first + count)
    ).rstrip()


def long_chat(messages: int) -> Any:
    """A chat in an archive: short questions and answers of one to three sections, the last of which says `THE_END`."""
    pairs = range(messages // 2)
    texts = [text for pair in pairs for text in (f"And question {pair + 1}?", sections(1 + pair % 3, pair))]
    texts[-1] += f"\n\n{THE_END}"
    return chat(f"A chat of {messages} messages", *texts)
