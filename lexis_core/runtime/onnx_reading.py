"""What an ONNX file says of itself, read straight from its protocol buffer: operators, other files, tensors in and out.

Nothing of the file is run, and its weights are stepped over. Field numbers are those of onnx.proto (ONNX 1.x).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

ELEMENTS = {1: "float32", 2: "uint8", 3: "int8", 6: "int32", 7: "int64", 9: "bool", 10: "float16", 11: "float64"}
DEEPEST = 50  # graphs within graphs
MAX_FIELDS = 3_000_000
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


@dataclass
class Contents:
    """operators : (domain, name) of every node, in subgraphs and functions too; functions : those the file defines
    files : where its external tensors lie; inputs, outputs : name -> (type, shape), -1 where a size is free
    """

    operators: set[tuple[str, str]] = field(default_factory=set)
    functions: set[tuple[str, str]] = field(default_factory=set)
    files: set[str] = field(default_factory=set)
    inputs: dict[str, tuple[str, tuple[int, ...]]] = field(default_factory=dict)
    outputs: dict[str, tuple[str, tuple[int, ...]]] = field(default_factory=dict)


@dataclass
class _Source:
    """left : how many more fields are read before the file counts as hostile"""

    data: bytes
    left: int = MAX_FIELDS


def read_onnx(data: bytes) -> Contents:
    """The contents of an ONNX file. ValueError when it is none."""
    found, graphs, source = Contents(), 0, _Source(data)
    for number, value in _fields(source, 0, len(data)):
        if number == 7:     # ModelProto.graph
            _graph(source, *_span(value), found, 0)
            graphs += 1
        elif number == 25:  # ModelProto.functions
            _function(source, *_span(value), found)
    if graphs != 1:
        raise ValueError("it is no ONNX model")
    return found


def _graph(source: _Source, start: int, end: int, found: Contents, depth: int) -> None:
    if depth > DEEPEST:
        raise ValueError("its graphs lie too deep in one another")
    weights, inputs, outputs = set(), {}, {}
    for number, value in _fields(source, start, end):
        if number == 1:                  # GraphProto.node
            _node(source, *_span(value), found, depth)
        elif number == 5:                # .initializer
            weights.add(_tensor(source, *_span(value), found))
        elif number == 15:               # .sparse_initializer
            _sparse(source, *_span(value), found)
        elif number in (11, 12) and not depth:  # .input, .output
            name, spec = _value_info(source, *_span(value))
            (inputs if number == 11 else outputs)[name] = spec
    if not depth:
        found.inputs = {name: spec for name, spec in inputs.items() if name not in weights}
        found.outputs = outputs


def _node(source: _Source, start: int, end: int, found: Contents, depth: int) -> None:
    operator, domain = "", ""
    for number, value in _fields(source, start, end):
        if number == 4:    # NodeProto.op_type
            operator = _text(source, value)
        elif number == 7:  # .domain
            domain = _text(source, value)
        elif number == 5:  # .attribute
            _attribute(source, *_span(value), found, depth)
    found.operators.add((domain, operator))


def _attribute(source: _Source, start: int, end: int, found: Contents, depth: int) -> None:
    for number, value in _fields(source, start, end):
        if number in (6, 11):     # AttributeProto.g, .graphs
            _graph(source, *_span(value), found, depth + 1)
        elif number in (5, 10):   # .t, .tensors
            _tensor(source, *_span(value), found)
        elif number in (22, 23):  # .sparse_tensor, .sparse_tensors
            _sparse(source, *_span(value), found)


def _function(source: _Source, start: int, end: int, found: Contents) -> None:
    name = domain = ""
    for number, value in _fields(source, start, end):
        if number == 1:     # FunctionProto.name
            name = _text(source, value)
        elif number == 10:  # .domain
            domain = _text(source, value)
        elif number == 7:   # .node
            _node(source, *_span(value), found, 1)
        elif number == 11:  # .attribute_proto
            _attribute(source, *_span(value), found, 1)
    found.functions.add((domain, name))


def _tensor(source: _Source, start: int, end: int, found: Contents) -> str:
    name = ""
    for number, value in _fields(source, start, end):
        if number == 8:     # TensorProto.name
            name = _text(source, value)
        elif number == 13:  # .external_data, entries of key and value
            entry = dict(_fields(source, *_span(value)))
            if 1 in entry and 2 in entry and _text(source, entry[1]) == "location":
                found.files.add(_text(source, entry[2]))
    return name


def _sparse(source: _Source, start: int, end: int, found: Contents) -> None:
    for number, value in _fields(source, start, end):
        if number in (1, 2):  # SparseTensorProto.values, .indices
            _tensor(source, *_span(value), found)


def _value_info(source: _Source, start: int, end: int) -> tuple[str, tuple[str, tuple[int, ...]]]:
    name, kind, shape = "", "", ()
    for number, value in _fields(source, start, end):
        if number == 1:  # ValueInfoProto.name
            name = _text(source, value)
        elif number == 2:  # .type, of which only tensors are known here
            for which, tensor in _fields(source, *_span(value)):
                if which == 1:
                    kind, shape = _tensor_type(source, *_span(tensor))
    return name, (kind, shape)


def _tensor_type(source: _Source, start: int, end: int) -> tuple[str, tuple[int, ...]]:
    kind, shape = "", []
    for number, value in _fields(source, start, end):
        if number == 1:    # TypeProto.Tensor.elem_type
            kind = ELEMENTS.get(value, f"type {value}")
        elif number == 2:  # .shape, of .dim with .dim_value
            for _, axis in _fields(source, *_span(value)):
                size = dict(_fields(source, *_span(axis))).get(1, -1)
                shape.append(size if isinstance(size, int) else -1)
    return kind, tuple(shape)


def _span(value: int | tuple[int, int]) -> tuple[int, int]:
    if isinstance(value, int):
        raise ValueError("it is no ONNX model")
    return value


def _text(source: _Source, value: int | tuple[int, int]) -> str:
    start, end = _span(value)
    return source.data[start:end].decode()


def _fields(source: _Source, at: int, end: int) -> Iterator[tuple[int, int | tuple[int, int]]]:
    """Number and value of each field of a message: an int, or where its bytes begin and end."""
    while at < end:
        source.left -= 1
        if source.left < 0:
            raise ValueError("it has far too many parts")
        key, at = _varint(source, at, end)
        number, kind = key >> 3, key & 7
        if kind == VARINT:
            value, at = _varint(source, at, end)
            yield number, value
        elif kind == BYTES:
            size, at = _varint(source, at, end)
            if size > end - at:
                raise ValueError("it ends in the middle")
            yield number, (at, at + size)
            at += size
        elif kind in (FIXED32, FIXED64):
            at += 4 if kind == FIXED32 else 8
        else:
            raise ValueError("it is no ONNX model")
    if at != end:
        raise ValueError("it ends in the middle")


def _varint(source: _Source, at: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while at < end and shift < 70:
        byte = source.data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise ValueError("it ends in the middle")
