"""Finds the program in an answer: by the form that was asked for, or wherever it stands."""

import ast
import re

_BLOCK = re.compile(r"^[ \t]*```[^\n`]*\n(.*?)(?:^[ \t]*```|\Z)", re.MULTILINE | re.DOTALL)


def fenced_blocks(text: str) -> list[str]:
    """What the fenced blocks hold, the last one also if it was cut off."""
    return [match[1] for match in _BLOCK.finditer(text)]


_MOST_READ = 2 << 20  # characters


def first_block(text: str, name: str) -> str | None:
    """The first fenced block that is closed and defines the function ``name``."""
    for match in _BLOCK.finditer(text):
        if match[0].rstrip().endswith("```") and defines(match[1], name):
            return match[1]
    return None


def any_program(text: str, name: str) -> str | None:
    """The program that defines ``name``: in a block, in one that was cut off, or as plain text.

    What stands around it, and does not parse, is left away.
    """
    for block in [*fenced_blocks(text), text]:
        if defines(block, name):
            return _parsing_part(block, name)
    return None


def defines(program: str, name: str) -> bool:
    """Whether the text has a function ``name`` at its top level."""
    return re.search(rf"^(?:async +)?def +{re.escape(name)}\b", program, re.MULTILINE) is not None


def preamble(prompt: str, name: str) -> str:
    """What a prompt has before the function that is to be written: imports and helpers."""
    found = re.search(rf"^(?:async +)?def +{re.escape(name)}\b", prompt, re.MULTILINE)
    return prompt[: found.start()] if found else ""


def _parsing_part(program: str, name: str) -> str:
    """The longest run of whole lines that parses and defines ``name``, beginning with a statement at top level.

    Looked for as long as it takes no more than `_MOST_READ`: the effort grows with the cube of a text's length.
    """
    read = 0
    lines = program.splitlines(keepends=True)
    starts = [i for i, line in enumerate(lines) if re.match(r"(?:import|from|def|class|async|@)\b|@", line)]
    for start in starts:
        for end in range(len(lines), start, -1):
            part = "".join(lines[start:end])
            read += len(part)
            if read > _MOST_READ:
                return program
            if not defines(part, name):
                break
            if _parses(part):
                return part
    return program


def _parses(program: str) -> bool:
    try:
        ast.parse(program)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True
