"""One reconstruction as one collection: rig, body, object, camera, tied together and tagged."""

from __future__ import annotations

import time
from dataclasses import dataclass

import bpy
import numpy as np
from mathutils import Matrix

from lexis_core.body.model import BodyModel, joint_rotations, pose, rest_joints, rest_vertices
from lexis_core.body.names import JOINTS
from lexis_core.mesh import Mesh
from lexis_core.reconstruction import Reconstruction
from lexis_core.state import ObjectState

from . import armature, axes, camera, fields, identity, mesh, shapes, skeleton, store
from .identity import Imported

Array = np.ndarray


@dataclass(frozen=True)
class ImportOptions:
    """What an import may be told.

    name          : what the collection and its objects are called; "" takes the file's name
    set_scene     : let the scene render through the new camera at the photo's size; else no scene setting changes
    photo_opacity : of the photo in the camera's view, 0..1
    contact       : metres, nearer than this counts as contact in the `contact` attribute
    """

    name: str = ""
    set_scene: bool = False
    photo_opacity: float = 0.5
    contact: float = 0.05


def assemble(context: bpy.types.Context, result: Reconstruction, model: BodyModel, name: str,
             options: ImportOptions, file: str = "") -> Imported:
    """Build everything in a new collection of the scene, selected, the rig active. Nothing stays if it fails.

    file : the *.lexis.npz it comes from, "" when it comes from elsewhere
    """
    if context.mode != "OBJECT":
        bpy.ops.object.mode_set(mode="OBJECT")
    collection = bpy.data.collections.new(name)
    context.scene.collection.children.link(collection)
    try:
        made = _fill(context, collection, result, model, name, options)
        store.keep(made, result, model.source, file)
    except BaseException:
        remove(collection)
        raise
    if options.set_scene:
        camera.frame_scene(context.scene, made.camera, result.camera)
    _select(context, made)
    return made


def remove(collection: bpy.types.Collection) -> None:
    """Delete a collection, its objects, and their data that nothing else uses."""
    objects = list(collection.objects)
    data = {o.data for o in objects}
    photos = {b.image for o in objects if o.type == "CAMERA" for b in o.data.background_images}
    bpy.data.batch_remove([collection, *objects])
    bpy.data.batch_remove([d for d in data if d is not None and d.users == 0])
    bpy.data.batch_remove([i for i in photos if i is not None and i.users == 0])


def _fill(context: bpy.types.Context, collection: bpy.types.Collection, result: Reconstruction, model: BodyModel,
          name: str, options: ImportOptions) -> Imported:
    rig = _rig(context, collection, result, model, f"{name} rig")
    body = _body(collection, rig, result, model, f"{name} body")
    item = _object(collection, result, f"{name} {identity.fitted(result.object.name or 'object', 20)}")
    frame = None if options.set_scene else camera.frame_ratio(context.scene)
    lens = camera.create(f"{name} camera", result.camera, result.photo.tobytes(), options.photo_opacity, frame)
    collection.objects.link(lens)
    made = Imported(identity.new_id(), collection, rig, body, item, lens)
    _tag(made)
    surfaces = Mesh(pose(model, result.state.body).vertices, model.faces), result.object_mesh()
    fields.write(made, result.field, surfaces, options.contact)
    fields.write_predicted(made, result)
    return made


def _rig(context: bpy.types.Context, collection: bpy.types.Collection, result: Reconstruction, model: BodyModel,
         name: str) -> bpy.types.Object:
    state = result.state.body
    joints = rest_joints(model, state.betas, state.expression)
    crown = float(rest_vertices(model, state.betas, state.expression)[:, 1].max())
    rig = armature.create(context, name, collection, skeleton.lay_bones(joints, crown))
    armature.set_pose(rig, joint_rotations(model, state), joints[0], state.translation)
    return rig


def _body(collection: bpy.types.Collection, rig: bpy.types.Object, result: Reconstruction, model: BodyModel,
          name: str) -> bpy.types.Object:
    surface = mesh.build(name, axes.local_points(model.template), model.faces, model.weights)
    body = bpy.data.objects.new(name, surface)
    collection.objects.link(body)
    for joint in JOINTS:
        body.vertex_groups.new(name=joint)
    shapes.add_shape_keys(body, model, result.state.body)
    body.parent = rig
    skin = body.modifiers.new("Armature", "ARMATURE")
    skin.object = rig
    skin.use_deform_preserve_volume = False  # dual quaternions would differ from SMPL-X's linear blend
    return body


def _object(collection: bpy.types.Collection, result: Reconstruction, name: str) -> bpy.types.Object:
    source = result.object.mesh
    surface = mesh.build(name, axes.local_points(source.vertices), source.faces)
    surface.set_sharp_from_angle(angle=np.radians(35))
    item = bpy.data.objects.new(name, surface)
    collection.objects.link(item)
    item.matrix_world = placement(result.state.object)
    return item


def placement(state: ObjectState) -> Matrix:
    """Local axes -> world of the object, scale included."""
    matrix = np.eye(4)
    matrix[:3, :3] = state.scale * axes.world_rotation(state.rotation)
    matrix[:3, 3] = axes.world_points(np.asarray(state.translation, np.float64))
    return Matrix(matrix)


def _tag(made: Imported) -> None:
    """Ids for finding the parts again."""
    parts = (identity.RIG, made.rig), (identity.BODY, made.body), (identity.OBJECT, made.object), \
        (identity.CAMERA, made.camera), (identity.SCENE, made.collection)
    for part, datablock in parts:
        identity.tag(datablock, made.id, part)
    made.collection[identity.MADE] = time.time()


def _select(context: bpy.types.Context, made: Imported) -> None:
    for other in context.selected_objects:
        other.select_set(False)
    for part in (made.rig, made.body, made.object, made.camera):
        part.select_set(True)
    context.view_layer.objects.active = made.rig
