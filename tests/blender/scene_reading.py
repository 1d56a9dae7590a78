"""What a Blender scene holds, read back with bpy alone."""

from __future__ import annotations

import bpy
import numpy as np

KINDS = ("objects", "meshes", "armatures", "cameras", "images", "materials", "collections", "shape_keys")


def evaluated_vertices(item: bpy.types.Object) -> np.ndarray:
    """World positions (V, 3) after shape keys and modifiers."""
    evaluated = item.evaluated_get(bpy.context.evaluated_depsgraph_get())
    mesh = evaluated.to_mesh()
    points = np.empty(3 * len(mesh.vertices), np.float32)
    mesh.vertices.foreach_get("co", points)
    evaluated.to_mesh_clear()
    world = np.array(evaluated.matrix_world)
    return points.reshape(-1, 3) @ world[:3, :3].T + world[:3, 3]


def in_world(points: np.ndarray) -> np.ndarray:
    """Camera space to the Blender world as the design states it: (x, y, z) -> (x, z, -y)."""
    x, y, z = np.moveaxis(points, -1, 0)
    return np.stack([x, z, -y], -1)


def datablocks() -> dict[str, list[str]]:
    return {kind: sorted(block.name for block in getattr(bpy.data, kind)) for kind in KINDS}
