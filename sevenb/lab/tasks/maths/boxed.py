r"""Reads what stands in ``\boxed{…}``, where models were taught to put their final answer."""


def last_boxed(text: str) -> str | None:
    r"""What the last closed ``\boxed{…}`` holds, braces matched; ``\boxed 5`` counts, too."""
    for start in reversed(_starts(text)):
        rest = text[start:].lstrip()
        if not rest.startswith("{"):
            if word := rest.split("$")[0].split():
                return word[0]
            continue
        depth = 0
        for index, character in enumerate(rest):
            escaped = index > 0 and rest[index - 1] == "\\"
            if character in "{}" and not escaped:
                depth += 1 if character == "{" else -1
                if depth == 0:
                    return rest[1:index].strip()
    return None


def _starts(text: str) -> list[int]:
    r"""The places behind each ``\boxed`` and ``\fbox``."""
    places = []
    for command in ("\\boxed", "\\fbox"):
        at = text.find(command)
        while at >= 0:
            places.append(at + len(command))
            at = text.find(command, at + 1)
    return sorted(places)
