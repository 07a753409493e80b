"""Texts of models and servers as they may stand on a page: without unseen characters that change others."""

_KEPT = {"\n", "\t"}
_BIDI = (*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C)  # which turn the text around them
_TABLE = {
    code: "\ufffd"
    for code in (*range(0x20), *range(0x7F, 0xA0), *_BIDI, 0x2028, 0x2029, *range(0xD800, 0xE000))
    if chr(code) not in _KEPT
}


def visible(text: str) -> str:
    """The text with a replacement character for each control character, turn of direction and lone surrogate."""
    return text.replace("\r\n", "\n").translate(_TABLE)
