"""Mesh files to bare triangles, through trimesh. Nothing is read outside the file's folder, nothing is fetched.

Whatever is wrong with the bytes comes out as an InputError.
"""

from __future__ import annotations

import json
import re
import warnings
from io import BytesIO
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import trimesh

from lexis_core.errors import InputError
from lexis_core.objects.ply import mixed_polygons

Array = np.ndarray

EXTENSIONS = ("obj", "ply", "stl", "glb", "gltf", "off")
MAX_BYTES = 2 << 30
MAX_FACES = 20_000_000
COMPRESSED = ("KHR_draco_mesh_compression", "EXT_meshopt_compression", "KHR_meshopt_compression")


def read_triangles(path: Path) -> tuple[Array, Array]:
    """All triangles of all meshes of a file in its world frame: (V, 3) float64 in the file's unit, (F, 3) int64."""
    data, kind = _read(path)
    _check_claims(path, data, kind)
    try:
        mixed = mixed_polygons(data) if kind == "ply" else None
        with np.errstate(all="ignore"):  # coordinates that are not numbers are told of later
            pieces = [mixed] if mixed else _pieces(path, _scene(path, data, kind))
    except InputError:
        raise
    except Exception as error:  # trimesh meets malformed bytes with whatever breaks first
        reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise InputError(f"{path.name} could not be read as {kind}.", f"{reason[:160].rstrip('.')}.",
                         "Open it in Blender, export it as glb with triangulated faces, and try again.") from error
    offsets = np.cumsum([0, *(len(vertices) for vertices, _ in pieces)])
    return (np.concatenate([vertices for vertices, _ in pieces]),
            np.concatenate([faces + offset for (_, faces), offset in zip(pieces, offsets, strict=False)]))


def _bare_obj(data: bytes) -> bytes:
    """An obj's positions and faces alone: materials, groups and seams would split and reorder its vertices."""
    data = re.sub(rb"(?m)^[ \t]*(?:usemtl|mtllib|[ogs]|v[tnp])\b[^\n]*\n?", b"", data)
    return re.sub(rb"(?<=\d)/[-\d/]*", b"", data)


def _scene(path: Path, data: bytes, kind: str) -> trimesh.Scene:
    data = _bare_obj(data) if kind == "obj" else data
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return trimesh.load(BytesIO(data), file_type=kind, resolver=_Beside(path.parent), force="scene", process=False,
                            skip_materials=True)


def _read(path: Path) -> tuple[bytes, str]:
    kind = path.suffix.lower().lstrip(".")
    if kind not in EXTENSIONS:
        raise InputError(f"{path.name} was not loaded.", f'"{path.suffix}" is not a mesh format that can be read.',
                         f"Use one of: {', '.join(EXTENSIONS)}.")
    try:
        if not path.is_file():
            raise InputError(f"{path} was not loaded.", "There is no such file.",
                             "Check the path, or name an object of the library.")
        size = path.stat().st_size
        if size == 0 or size > MAX_BYTES:
            raise InputError(f"{path.name} was not loaded.",
                             "It is empty." if size == 0 else f"It has {size / 2**30:.1f} GiB.",
                             "Export the mesh again." if size == 0 else f"Reduce it below {MAX_BYTES >> 30} GiB first.")
        return path.read_bytes(), kind
    except OSError as error:
        raise InputError(f"{path} was not loaded.", f"{error.strerror or error}.",
                         "Check the path and its permissions.") from error


def _check_claims(path: Path, data: bytes, kind: str) -> None:
    """Refuse a file that promises more than the limit before anything of that size is made."""
    if kind == "obj":
        faces = data.count(b"\nf ")
    elif kind == "stl":
        faces = len(data) // 50 if data[:5].lower() != b"solid" else data.count(b"facet") // 2
    elif kind == "ply":
        faces = max((int(n) for n in re.findall(rb"element\s+\w+\s+(\d{1,18})\s", data[:65536])), default=0)
    elif kind == "off":
        faces = data.count(b"\n3 ") + data.count(b"\n4 ")
    else:
        faces = _gltf_claims(path, data, kind)
    if faces > MAX_FACES:
        raise InputError(f"{path.name} was not loaded.", f"It has {faces:,} faces or more.",
                         f"Reduce it below {MAX_FACES:,} faces first.")


def _gltf_claims(path: Path, data: bytes, kind: str) -> int:
    """The triangles that a glTF's largest accessor could hold, or the numbers it wants made from nothing."""
    try:
        head = json.loads(data[20:20 + int.from_bytes(data[12:16], "little")] if kind == "glb" else data)
        accessors = head.get("accessors", [])
        counts = [int(a["count"]) for a in accessors]
        made = sum(int(a["count"]) for a in accessors if "bufferView" not in a)
        used = set(head.get("extensionsRequired", [])) & set(COMPRESSED)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise InputError(f"{path.name} could not be read as {kind}.", "Its header is damaged.",
                         "Export the mesh again.") from error
    if used:
        raise InputError(f"{path.name} was not loaded.", f"Its mesh is compressed ({', '.join(sorted(used))}).",
                         "Export it without compression.")
    return max(max(counts, default=0) // 3, made)


def _pieces(path: Path, scene: trimesh.Scene) -> list[tuple[Array, Array]]:
    """Every mesh of the scene where its node puts it; mirrored ones keep facing outwards."""
    placed = [scene.graph[node] for node in scene.graph.nodes_geometry]
    placed = [(np.asarray(matrix, np.float64), scene.geometry[name]) for matrix, name in placed]
    placed = [(matrix, shape) for matrix, shape in placed if isinstance(shape, trimesh.Trimesh) and len(shape.faces)]
    if not placed:
        raise InputError(f"{path.name} was not loaded.", "It holds no faces, only points or lines or nothing.",
                         "Give a surface mesh; a point cloud must be meshed first.")
    if sum(len(shape.faces) for _, shape in placed) > MAX_FACES:
        raise InputError(f"{path.name} was not loaded.", f"It has more than {MAX_FACES:,} faces.", "Reduce it first.")
    pieces = []
    for matrix, shape in placed:
        faces = np.asarray(shape.faces, np.int64)
        if np.linalg.det(matrix[:3, :3]) < 0:
            faces = faces[:, ::-1]
        pieces.append((np.asarray(shape.vertices, np.float64) @ matrix[:3, :3].T + matrix[:3, 3], faces))
        if faces.min() < 0 or faces.max() >= len(shape.vertices):
            raise InputError(f"{path.name} cannot be used.", "Some of its faces name vertices that are not there.",
                             "Export the mesh again.")
    return pieces


class _Beside(trimesh.resolvers.Resolver):
    """Gives trimesh the buffers a glTF keeps beside itself: in or below its folder, up to the size limit."""

    def __init__(self, folder: Path):
        self.folder = folder.resolve()
        self.left = MAX_BYTES

    def get(self, name: str) -> bytes:
        target = (self.folder / unquote(str(name))).resolve()
        if not target.is_relative_to(self.folder) or target.suffix.lower() in (".gltf", ".glb"):
            raise ValueError(f'it refers to "{name}", which is not a buffer in its own folder')
        if not target.is_file():
            raise FileNotFoundError(f'it refers to "{name}", which is missing')
        self.left -= target.stat().st_size
        if self.left < 0:
            raise ValueError("its buffers are too large")
        return target.read_bytes()

    def keys(self) -> list[str]:
        return []

    def namespaced(self, namespace: str) -> _Beside:
        return self

    def write(self, name: str, data: bytes) -> None:
        raise ValueError("nothing is written")
