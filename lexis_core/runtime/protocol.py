"""What goes over the pipe between a program and the worker: messages of a JSON header and plain arrays.

A message is 4 bytes b"LEXW", a version (uint16), the header's length (uint32), the header (UTF-8 JSON), and after it
the bytes of the arrays, in the order in which the header's "arrays" lists their name, dtype and shape. Numbers are
little-endian, arrays in C order. A text is an array of dtype "utf8" whose shape is its length in bytes.
Neither side trusts the other: every size is bounded before memory is taken for it.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO, NoReturn

import numpy as np

from lexis_core import errors
from lexis_core.errors import LexisError

Array = np.ndarray

MAGIC, VERSION = b"LEXW", 1
HEAD = struct.Struct("<4sHI")
MAX_HEADER = 1_000_000    # bytes
MAX_BYTES = 2 << 30       # of all arrays of a message
MAX_ARRAYS = 4096
MAX_AXES = 4
MAX_NAME = 100            # characters
TYPES = ("bool", "uint8", "int32", "int64", "float32", "float64")
TEXT = "utf8"
INTERNAL = "internal"     # the type of an error nobody foresaw


class ProtocolError(LexisError):
    """What came over the pipe is no message; nothing that follows on the same pipe can be understood."""


@dataclass(frozen=True)
class Message:
    """header : plain JSON, without the list of arrays; arrays : by name"""

    header: dict[str, Any]
    arrays: dict[str, Array] = field(default_factory=dict)


def write_message(stream: BinaryIO, header: Mapping[str, Any], arrays: Mapping[str, Array] | None = None) -> None:
    """Write a message and flush. ValueError when it breaks a limit of the protocol, before anything is written."""
    listed, chunks, total = [], [], 0
    for name, array in (arrays or {}).items():
        entry, data = _packed(name, np.asarray(array))
        listed.append(entry)
        chunks.append(data)
        total += data.nbytes
    text = json.dumps({**header, "arrays": listed}, allow_nan=False).encode()
    if len(text) > MAX_HEADER or total > MAX_BYTES or len(listed) > MAX_ARRAYS:
        raise ValueError(f"A message of {len(text):,} bytes, {len(listed):,} arrays and {total:,} bytes of them is "
                         "too large for the worker's pipe.")
    stream.write(HEAD.pack(MAGIC, VERSION, len(text)) + text)
    for data in chunks:
        if data.nbytes:
            stream.write(memoryview(data).cast("B"))
    stream.flush()


def read_message(stream: BinaryIO) -> Message | None:
    """The next message, or None when the pipe was closed between two. ProtocolError when it is no message."""
    head = _read(stream, bytearray(HEAD.size), end_is_fine=True)
    if head is None:
        return None
    magic, version, length = HEAD.unpack(head)
    if magic != MAGIC:
        _refuse(f"It begins with {bytes(magic)!r}, not with {MAGIC!r}.")
    if version != VERSION:
        _refuse(f"It has version {version}; this LEXIS speaks version {VERSION}.")
    if length > MAX_HEADER:
        _refuse(f"Its header would have {length:,} bytes; {MAX_HEADER:,} is the limit.")
    header = _header(_read(stream, bytearray(length)))
    specs = _specs(header.pop("arrays", []))
    return Message(header, {name: _array(stream, dtype, shape) for name, (dtype, shape) in specs.items()})


def error_header(error: LexisError) -> dict[str, str]:
    """The part of a header that carries an error."""
    return {"type": type(error).__name__, "what": error.what, "why": error.why, "remedy": error.remedy}


def error_of(header: Mapping[str, Any]) -> LexisError:
    """The error a header carries, as the class of its name; what is not known comes as a plain LexisError."""
    kind = _ERRORS.get(str(header.get("type")), LexisError)
    if kind is errors.Cancelled:
        return kind()
    return kind(*(str(header.get(name, "It was not said.")) for name in ("what", "why", "remedy")))


_ERRORS = {kind.__name__: kind for kind in (*vars(errors).values(), ProtocolError)
           if isinstance(kind, type) and issubclass(kind, LexisError)}


def _packed(name: str, array: Array) -> tuple[dict[str, Any], Array]:
    if array.dtype.kind == "U":
        data = np.frombuffer(str(array).encode(), np.uint8)
        return {"name": name, "dtype": TEXT, "shape": [len(data)]}, data
    if array.dtype.name not in TYPES or array.ndim > MAX_AXES:
        raise ValueError(f"The array {name!r}, {array.dtype} {array.shape}, does not fit the worker's pipe.")
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).reshape(array.shape)
    return {"name": name, "dtype": array.dtype.name, "shape": list(array.shape)}, little


def _header(data: bytearray) -> dict[str, Any]:
    try:
        header = json.loads(data.decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        _refuse(f"Its header is not JSON ({error}).")
    if not isinstance(header, dict):
        _refuse("Its header is not a JSON object.")
    return header


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _specs(listed: Any) -> dict[str, tuple[str, tuple[int, ...]]]:
    if not isinstance(listed, list) or len(listed) > MAX_ARRAYS:
        _refuse(f"Its list of arrays is no list of at most {MAX_ARRAYS:,}.")
    specs, total = {}, 0
    for entry in listed:
        if not isinstance(entry, dict) or entry.keys() != {"name", "dtype", "shape"}:
            _refuse("An array in it is not described by name, dtype and shape.")
        name, dtype, shape = entry["name"], entry["dtype"], entry["shape"]
        if not isinstance(name, str) or len(name) > MAX_NAME or name in specs:
            _refuse("An array in it has no name of its own.")
        axes = isinstance(shape, list) and len(shape) <= MAX_AXES and all(
            type(n) is int and 0 <= n <= MAX_BYTES for n in shape)
        if dtype not in (*TYPES, TEXT) or not axes or (dtype == TEXT and len(shape) != 1):
            _refuse(f"Its array {name!r} is of a type or a shape that is not taken.")
        total += math.prod(shape) * (1 if dtype == TEXT else np.dtype(dtype).itemsize)
        if total > MAX_BYTES:
            _refuse(f"Its arrays would take more than {MAX_BYTES >> 20:,} MB.")
        specs[name] = dtype, tuple(shape)
    return specs


def _array(stream: BinaryIO, dtype: str, shape: tuple[int, ...]) -> Array:
    if dtype == TEXT:
        try:
            return np.array(_read(stream, bytearray(shape[0])).decode())
        except UnicodeDecodeError:
            _refuse("A text in it is not UTF-8.")
    array = np.empty(shape, np.uint8 if dtype == "bool" else np.dtype(dtype).newbyteorder("<"))
    if array.nbytes:
        _read(stream, memoryview(array).cast("B"))
    if dtype == "bool":
        if array.size and array.max() > 1:
            _refuse("A truth value in it is neither 0 nor 1.")
        return array.view(np.bool_)
    return array


def _read(stream: BinaryIO, into, end_is_fine: bool = False):
    """`into` filled, or None when there was nothing left and that is fine."""
    view, filled = memoryview(into), 0
    while filled < len(view):
        count = stream.readinto(view[filled:])
        if not count:
            if end_is_fine and not filled:
                return None
            _refuse("It ends in the middle.")
        filled += count
    return into


def _refuse(why: str) -> NoReturn:
    raise ProtocolError("A message between LEXIS and its worker cannot be read.", why,
                        "Check that both are of the same version, then start the worker again.")
