"""ctypes structures made from a C header, so that a library built from any commit is called with its own layout."""

import ctypes
import re
from typing import Any

_SCALARS: dict[str, Any] = {
    "bool": ctypes.c_bool,
    "int8_t": ctypes.c_int8,
    "int": ctypes.c_int,
    "int32_t": ctypes.c_int32,
    "uint32_t": ctypes.c_uint32,
    "float": ctypes.c_float,
    "double": ctypes.c_double,
    "size_t": ctypes.c_size_t,
    "llama_pos": ctypes.c_int32,
    "llama_seq_id": ctypes.c_int32,
}
_POINTEES: dict[str, Any] = {name: _SCALARS[name] for name in ("int8_t", "int32_t", "llama_pos", "llama_seq_id")}
_POINTEES["llama_token"] = ctypes.c_int32


def struct_from_header(header: str, name: str) -> type[ctypes.Structure]:
    """The structure ``name`` as the text of a header declares it.

    Knows scalars, enums, pointers and callbacks. Raises ValueError for a structure or a type that it does not know.
    """
    text = re.sub(r"//.*|/\*.*?\*/", "", header)
    body = re.search(rf"struct {name} \{{(.*?)\n\s*\}}", text, re.DOTALL)
    if not body:
        raise ValueError(f"The header declares no struct {name}.")
    fields = [_field(" ".join(declaration.split())) for declaration in body[1].split(";") if declaration.strip()]
    return type(name, (ctypes.Structure,), {"_fields_": fields})


def _field(declaration: str) -> tuple[str, Any]:
    match = re.fullmatch(r"(?:const )?(struct |enum )?(\w+) ?(\**) ?(\w+)", declaration)
    if not match:
        raise ValueError(f"Cannot read the declaration {declaration!r}.")
    keyword, type_name, stars, name = match.groups()
    if stars:
        pointee = _POINTEES.get(type_name)
        if pointee is None:
            return name, ctypes.c_void_p
        pointer = ctypes.POINTER(pointee)
        return name, pointer if stars == "*" else ctypes.POINTER(pointer)
    if keyword == "enum ":
        return name, ctypes.c_int
    if type_name.endswith("_callback"):
        return name, ctypes.c_void_p
    if type_name not in _SCALARS:
        raise ValueError(f"Cannot read the type of {declaration!r}.")
    return name, _SCALARS[type_name]
