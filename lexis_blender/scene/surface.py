"""Objects as they are seen, and one as plain triangles: with its modifiers and its scale, without its place."""

from __future__ import annotations

import bpy
import numpy as np

from lexis_core.errors import InputError

Array = np.ndarray


def seen(item: bpy.types.Object, depsgraph: bpy.types.Depsgraph) -> bpy.types.Object:
    """The object with constraints and modifiers. InputError when Blender does not evaluate it, but has it as before."""
    evaluated = item.evaluated_get(depsgraph)
    if not evaluated.is_evaluated:
        raise InputError(f'"{item.name}" cannot be seen.', "It, or its collection, is switched off in the viewport.",
                         "Switch it on in the Outliner, and try again. The eye alone may hide it.")
    return evaluated


def triangles(context: bpy.types.Context, item: bpy.types.Object) -> tuple[Array, Array]:
    """Vertices (V, 3) float32 metres, z up, about the object's own axes, and faces (F, 3) int32.

    Modifiers and shape keys are in them, and the size the object has in the scene. InputError when it has no faces or
    is switched off.
    """
    evaluated = seen(item, context.evaluated_depsgraph_get())
    mesh = evaluated.to_mesh()
    try:
        mesh.calc_loop_triangles()
        vertices = np.empty((len(mesh.vertices), 3), np.float32)
        faces = np.empty((len(mesh.loop_triangles), 3), np.int32)
        mesh.vertices.foreach_get("co", vertices.ravel())
        mesh.loop_triangles.foreach_get("vertices", faces.ravel())
    finally:
        evaluated.to_mesh_clear()
    if not len(faces):
        raise InputError(f'"{item.name}" cannot be the object.', "It has no faces.", "Choose a mesh with faces.")
    _, _, scale = evaluated.matrix_world.decompose()
    vertices *= np.array(scale, np.float32) * context.scene.unit_settings.scale_length
    if np.prod(scale) < 0:
        faces = np.ascontiguousarray(faces[:, ::-1])
    return vertices, faces
