"""Formats of strings as regular expressions: narrower than their standards where parsers disagree, never wider.

Sources: RFC 3339 (dates and times; real days only, seconds to 59, years 1000 to 2999), ISO 8601 (durations), RFC 5321
(mail, with a dotted domain), RFC 1123 (host names), RFC 4291 (IPv6), RFC 4122 and 9562 (UUIDs), RFC 3986 (URIs), RFC
6570 (templates), RFC 6901 (JSON pointers), RFC 4648 (base64). Formats that no table here holds are annotations, as JSON
Schema has it.
"""

_DAY = (
    r"(?:[12][0-9]{3}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    r"|02-(?:0[1-9]|1[0-9]|2[0-8]))"
    r"|(?:[12][0-9](?:0[48]|[2468][048]|[13579][26])|(?:1[26]|2[048])00)-02-29)"
)
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?(?:Z|[+-](?:0[0-9]|1[0-3]):[0-5][0-9])"
_DURATION = (
    r"P(?:[0-9]{1,6}W|(?:[0-9]{1,4}Y(?:[0-9]{1,4}M)?(?:[0-9]{1,6}D)?|[0-9]{1,4}M(?:[0-9]{1,6}D)?|[0-9]{1,6}D)"
    r"(?:T(?:[0-9]{1,6}H(?:[0-9]{1,6}M)?(?:[0-9]{1,6}S)?|[0-9]{1,6}M(?:[0-9]{1,6}S)?|[0-9]{1,6}S))?"
    r"|T(?:[0-9]{1,6}H(?:[0-9]{1,6}M)?(?:[0-9]{1,6}S)?|[0-9]{1,6}M(?:[0-9]{1,6}S)?|[0-9]{1,6}S))"
)
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = rf"{_LABEL}(?:\.{_LABEL})*"
_EMAIL = (
    r"[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*@"
    r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*\.[A-Za-z]{2,12}"
)
_BYTE = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4 = rf"(?:{_BYTE}\.){{3}}{_BYTE}"
_H16 = r"[0-9a-fA-F]{1,4}"
_IPV6 = "|".join(
    [rf"(?:{_H16}:){{7}}{_H16}", rf"(?:{_H16}:){{1,7}}:", rf"::(?:{_H16}:){{0,6}}{_H16}"]
    + [rf"(?:{_H16}:){{{n}}}(?::{_H16}){{1,{7 - n}}}" for n in range(1, 7)]
)
_SEGMENT = r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})"
_TAIL = rf"(?:\?(?:{_SEGMENT}|[/?])*)?(?:#(?:{_SEGMENT}|[/?])*)?"
_AUTHORITY = r"(?:[A-Za-z0-9._~-]+@)?[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,4})?"
_URI = rf"(?:[A-Za-z][A-Za-z0-9+.-]*://{_AUTHORITY}(?:/{_SEGMENT}*)*{_TAIL}|file://(?:/{_SEGMENT}*)+|(?:urn|mailto|tel):{_SEGMENT}+)"
_REFERENCE = rf"(?:{_URI}|(?:\.{{0,2}}/)?[A-Za-z0-9._~-]+(?:/{_SEGMENT}*)*{_TAIL})"


def _uuid(version: str, variant: str) -> str:
    return rf"[0-9a-f]{{8}}-[0-9a-f]{{4}}-{version}[0-9a-f]{{3}}-{variant}[0-9a-f]{{3}}-[0-9a-f]{{12}}"


STRING_FORMATS: dict[str, str] = {
    "date": _DAY,
    "time": _TIME,
    "date-time": rf"{_DAY}T{_TIME}",
    "duration": _DURATION,
    "email": _EMAIL,
    "idn-email": _EMAIL,
    "hostname": _HOST,
    "idn-hostname": _HOST,
    "ipv4": _IPV4,
    "ipv6": _IPV6,
    "uri": _URI,
    "iri": _URI,
    "uri-reference": _REFERENCE,
    "iri-reference": _REFERENCE,
    "uri-template": r"(?:[A-Za-z0-9._~:/?#@!$&()*+,;=-]|\{[A-Za-z_][A-Za-z0-9_]*\})*",
    "uuid": _uuid("[0-9a-f]", "[0-9a-f]"),
    **{f"uuid{version}": _uuid(str(version), "[89ab]") for version in range(1, 9)},
    "json-pointer": r"(?:/(?:[^~/]|~[01])*)*",
    "relative-json-pointer": r"(?:0|[1-9][0-9]{0,5})(?:#|(?:/(?:[^~/]|~[01])*)*)",
    "regex": r"\^?(?:(?:[A-Za-z0-9_ @:,=-]|\\[dwsDWS./+*?()-]|\.|\[[A-Za-z0-9_]+\])[*+?]?)+\$?",
    "byte": r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?",
    "base64": r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?",
}
"""What the whole of a string must match."""

INTEGER_FORMATS: dict[str, tuple[int, int]] = {
    "int8": (-(2**7), 2**7 - 1),
    "uint8": (0, 2**8 - 1),
    "int16": (-(2**15), 2**15 - 1),
    "uint16": (0, 2**16 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "uint32": (0, 2**32 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint64": (0, 2**64 - 1),
}
"""Least and greatest value of OpenAPI's integer formats."""


def format_pattern(name: str) -> str | None:
    """A regular expression, anchored, for strings of this format; None for a format that says nothing."""
    pattern = STRING_FORMATS.get(name)
    return None if pattern is None else f"^(?:{pattern})$"
