"""An import as .glb, by Blender's own exporter, with the fields as custom vertex attributes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import addon_utils
import bpy
import numpy as np

from lexis_core.errors import InputError, RuntimeUnavailable

from . import compat
from .scene import attributes
from .scene.assemble import Imported

# glTF only carries attributes whose names begin with an underscore.
EXPORTED = {"_INTERFIELD": attributes.FIELD, "_DISTANCE": attributes.DISTANCE, "_CONTACT": attributes.CONTACT}


def write_glb(made: Imported, path: Path) -> None:
    """Write the rig, body and object; the selection, the mode and the meshes are afterwards as they were."""
    exporter = _exporter()
    meshes = [made.body.data, made.object.data]
    with _only_selected([made.rig, made.body, made.object]), _field_copies(meshes):
        exporter(**compat.known_options(
            exporter, filepath=str(path), check_existing=False, export_format="GLB", use_selection=True,
            export_yup=True, export_apply=False, export_animations=False, export_skins=True, export_morph=True,
            export_morph_normal=False, export_attributes=True, export_extras=True, export_cameras=False,
            export_lights=False, export_current_frame=True, export_rest_position_armature=False,
            export_all_influences=False, export_vertex_color="ACTIVE", export_all_vertex_colors=False,
        ))


def _exporter():
    """Blender's glTF exporter, an add-on that is on unless someone switched it off."""
    if not addon_utils.check("io_scene_gltf2")[1] and addon_utils.enable("io_scene_gltf2") is None:
        raise RuntimeUnavailable("The .glb was not written.", "Blender's glTF 2.0 add-on could not be switched on.",
                                 "Enable it in Edit > Preferences > Add-ons.")
    return bpy.ops.export_scene.gltf


@contextmanager
def _field_copies(meshes: list[bpy.types.Mesh]) -> Iterator[None]:
    """Copies of the fields under the names glTF exports, there only inside the block."""
    try:
        for mesh in meshes:
            for copy, original in EXPORTED.items():
                attributes.write(mesh, copy, "FLOAT", attributes.read(mesh, original).astype(np.float32))
        yield
    finally:
        for mesh in meshes:
            for copy in EXPORTED:
                if copy in mesh.attributes:
                    mesh.attributes.remove(mesh.attributes[copy])


@contextmanager
def _only_selected(objects: list[bpy.types.Object]) -> Iterator[None]:
    context = bpy.context
    if hidden := [wanted.name for wanted in objects if not wanted.visible_get()]:
        raise InputError("The .glb was not written.", f'"{hidden[0]}" is hidden.', "Show it and try again.")
    selected, active = context.selected_objects[:], context.view_layer.objects.active
    for other in selected:
        other.select_set(False)
    for wanted in objects:
        wanted.select_set(True)
    try:
        yield
    finally:
        for wanted in objects:
            wanted.select_set(False)
        for other in selected:
            other.select_set(True)
        context.view_layer.objects.active = active
