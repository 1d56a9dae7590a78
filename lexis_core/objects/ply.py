"""Binary ply files whose polygons differ in size, as Blender writes them: trimesh reads only those of one size."""

from __future__ import annotations

import re

import numpy as np

Array = np.ndarray

TYPES = {"char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2", "ushort": "u2",
         "uint16": "u2",
         "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4", "float": "f4", "float32": "f4", "double": "f8",
         "float64": "f8"}
LAYOUT = re.compile(
    rb"ply\r?\nformat binary_(little|big)_endian 1\.0\r?\n(?:(?:comment|obj_info)[^\n]*\n)*"
    rb"element vertex (\d{1,9})\r?\n((?:property \w+ \w+\r?\n)+)"
    rb"element face (\d{1,9})\r?\nproperty list (\w+) (\w+) vertex_ind(?:ex|ices)\r?\n((?:property \w+ \w+\r?\n)*)"
    rb"(?:element \w+ \d+\r?\n(?:property[^\n]*\n)*)*end_header\r?\n")


def mixed_polygons(data: bytes) -> tuple[Array, Array] | None:
    """(V, 3) float64 and (F, 3) int64, polygons fanned; None when the file is not one of these, or all are of one size.

    ValueError or IndexError when the bytes end too early.
    """
    head = LAYOUT.match(data)
    if head is None:
        return None
    order = "<" if head[1] == b"little" else ">"
    vertex = np.dtype([(name, order + TYPES[kind]) for kind, name in _properties(head[3])])
    count, corner = np.dtype(order + TYPES[head[5].decode()]), np.dtype(order + TYPES[head[6].decode()])
    tail = sum(np.dtype(TYPES[kind]).itemsize for kind, _ in _properties(head[7]))
    if count.kind == "f" or corner.kind == "f":
        return None
    points = np.frombuffer(data, vertex, int(head[2]), head.end())
    starts, sizes = _walk(data, head.end() + points.nbytes, int(head[4]), count, corner.itemsize, tail)
    if len(np.unique(sizes)) < 2:
        return None
    blob = np.frombuffer(data, np.uint8)
    triangles = []
    for size in np.unique(sizes[sizes >= 3]):
        rows = starts[sizes == size][:, None] + np.arange(size * corner.itemsize)
        polygon = blob[rows].view(corner).astype(np.int64)
        first = np.repeat(polygon[:, :1], size - 2, 1)
        triangles.append(np.stack([first, polygon[:, 1:-1], polygon[:, 2:]], -1).reshape(-1, 3))
    return np.stack([points[axis].astype(np.float64) for axis in "xyz"], -1), np.concatenate(triangles)


def _properties(lines: bytes) -> list[tuple[str, str]]:
    return [tuple(line.split()[1:]) for line in lines.decode("ascii").splitlines()]


def _walk(data: bytes, at: int, faces: int, count: np.dtype, corner: int, tail: int) -> tuple[Array, Array]:
    """Where the corners of every face begin, in bytes, and how many it has."""
    starts, sizes = [], []
    order = "little" if count.str[0] in "<|" else "big"
    for _ in range(faces):
        size = int.from_bytes(data[at:at + count.itemsize], order)
        starts.append(at + count.itemsize)
        sizes.append(size)
        at += count.itemsize + size * corner + tail
        if at > len(data):
            raise ValueError("the file ends before its last face")
    return np.array(starts, np.int64), np.array(sizes, np.int64)
