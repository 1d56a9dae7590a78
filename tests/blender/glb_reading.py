"""A .glb read by the glTF 2.0 specification alone: its JSON, its accessors, and its skinned vertices."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lexis_core.geometry import rotation_from_quaternion

COMPONENT = {5121: np.uint8, 5123: np.uint16, 5125: np.uint32, 5126: np.float32}
WIDTH = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}


@dataclass(frozen=True)
class Glb:
    json: dict
    data: bytes

    def values(self, index: int) -> np.ndarray:
        """(count, width) of one accessor, sparse ones filled in, normalised integers as 0..1."""
        accessor = self.json["accessors"][index]
        dtype, width = COMPONENT[accessor["componentType"]], WIDTH[accessor["type"]]
        if "bufferView" in accessor:
            values = self._view(accessor["bufferView"], accessor.get("byteOffset", 0), dtype, accessor["count"] * width)
        else:
            values = np.zeros(accessor["count"] * width, dtype)
        values = values.reshape(-1, width).copy()
        if "sparse" in accessor:
            sparse = accessor["sparse"]
            where = self._view(sparse["indices"]["bufferView"], 0, COMPONENT[sparse["indices"]["componentType"]],
                               sparse["count"])
            values[where] = self._view(sparse["values"]["bufferView"], 0, dtype, sparse["count"] * width
                                       ).reshape(-1, width)
        return values / np.iinfo(dtype).max if accessor.get("normalized") else values

    def _view(self, index: int, offset: int, dtype, count: int) -> np.ndarray:
        view = self.json["bufferViews"][index]
        return np.frombuffer(self.data, dtype, count, view.get("byteOffset", 0) + offset)

    def node(self, suffix: str) -> dict:
        return next(n for n in self.json["nodes"] if "mesh" in n and n["name"].endswith(suffix))

    def primitive(self, node: dict) -> dict:
        (primitive,) = self.json["meshes"][node["mesh"]]["primitives"]
        return primitive

    def attribute(self, node: dict, name: str) -> np.ndarray:
        return self.values(self.primitive(node)["attributes"][name])

    def world(self, node: dict) -> np.ndarray:
        """(4, 4), the node's transform with its ancestors'."""
        index = next(i for i, n in enumerate(self.json["nodes"]) if n is node)
        parent = next((n for n in self.json["nodes"] if index in n.get("children", ())), None)
        own = np.eye(4)
        own[:3, :3] = rotation_from_quaternion(np.roll(node.get("rotation", (0, 0, 0, 1)), 1)) * node.get("scale", 1.0)
        own[:3, 3] = node.get("translation", (0, 0, 0))
        return own if parent is None else self.world(parent) @ own

    def shaped(self, node: dict) -> np.ndarray:
        """(V, 3) positions with the morph targets at the mesh's weights."""
        position = self.attribute(node, "POSITION").astype(np.float64)
        weights = self.json["meshes"][node["mesh"]].get("weights", ())
        for target, weight in zip(self.primitive(node).get("targets", ()), weights, strict=True):
            position += weight * self.values(target["POSITION"])
        return position

    def placed(self, node: dict) -> np.ndarray:
        """(V, 3) world positions as a viewer shows them."""
        shaped = np.c_[self.shaped(node), np.ones(len(self.shaped(node)))]
        if "skin" not in node:
            return (shaped @ self.world(node).T)[:, :3]
        skin = self.json["skins"][node["skin"]]
        bind = self.values(skin["inverseBindMatrices"]).reshape(-1, 4, 4).transpose(0, 2, 1)
        joints = np.stack([self.world(self.json["nodes"][j]) for j in skin["joints"]]) @ bind
        moved = np.einsum("jab,vb->vja", joints, shaped)
        chosen = np.take_along_axis(moved, self.attribute(node, "JOINTS_0")[..., None].astype(int), 1)
        return (chosen * self.attribute(node, "WEIGHTS_0")[..., None]).sum(1)[:, :3]


def read_glb(path: Path) -> Glb:
    raw = path.read_bytes()
    magic, version, length = struct.unpack("<4sII", raw[:12])
    assert (magic, version, length) == (b"glTF", 2, len(raw))
    size, kind = struct.unpack("<I4s", raw[12:20])
    assert kind == b"JSON"
    return Glb(json.loads(raw[20:20 + size]), raw[28 + size:])
