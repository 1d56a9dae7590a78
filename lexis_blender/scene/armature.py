"""The rig: an armature of SMPL-X's 55 joints at rest in the T-pose of the solved shape, and its pose."""

from __future__ import annotations

import bpy
import numpy as np
from mathutils import Quaternion, Vector

from lexis_core.body.names import JOINTS, PARENTS
from lexis_core.errors import InputError
from lexis_core.geometry import quaternion_from_rotation

from . import axes, surface
from .skeleton import Bones, group_of

Array = np.ndarray

SAME_REST = 1e-6  # metres
STRETCH = 1e-3    # how much one axis may be longer than another


def create(context: bpy.types.Context, name: str, collection: bpy.types.Collection, bones: Bones) -> bpy.types.Object:
    """An armature object in the collection with its bones at rest. Needs object mode, and leaves it so."""
    armature = bpy.data.armatures.new(name)
    armature.display_type = "STICK"
    rig = bpy.data.objects.new(name, armature)
    rig.show_in_front = True
    collection.objects.link(rig)
    context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    try:
        _add_bones(armature, bones)
    finally:
        bpy.ops.object.mode_set(mode="OBJECT")
    _group(armature)
    _restrain(rig)
    return rig


def lay_again(context: bpy.types.Context, rig: bpy.types.Object, bones: Bones) -> None:
    """Let the bones of a rig rest elsewhere, as another shape needs them. Needs object mode, and leaves it so.

    Raises InputError when the rig is hidden: Blender edits only what it shows.
    """
    heads, tails, z_axes = _local(bones)
    rests = [rig.data.bones[name] for name in JOINTS]
    if np.allclose([b.head_local for b in rests], heads, atol=SAME_REST) and np.allclose(
            [b.tail_local for b in rests], tails, atol=SAME_REST):
        return
    if not rig.visible_get(view_layer=context.view_layer):
        raise InputError("The rig cannot take another shape.", f'"{rig.name}" is hidden.', "Show it and try again.")
    active = context.view_layer.objects.active
    context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    try:
        made = [rig.data.edit_bones[name] for name in JOINTS]
        for bone in made:
            bone.use_connect = False
        for joint, bone in enumerate(made):
            bone.head, bone.tail = heads[joint], tails[joint]
            bone.align_roll(Vector(z_axes[joint]))
        for joint, bone in enumerate(made):
            bone.use_connect = bool(bones.connected[joint])
    finally:
        bpy.ops.object.mode_set(mode="OBJECT")
        context.view_layer.objects.active = active


def set_pose(rig: bpy.types.Object, rotations: Array, pelvis: Array, translation: Array,
             frame: Array | None = None) -> None:
    """Pose the rig as lexis_core does.

    rotations   : (55, 3, 3) local rotations, the root's into camera space (body.model.joint_rotations)
    pelvis      : (3,) metres, the pelvis at rest, in the rest frame
    translation : (3,) metres, the state's
    frame       : (4, 4) rigid motion, the rig's own axes from the Blender world; None where they agree
    """
    frame = np.eye(4) if frame is None else frame
    rest = np.array([rig.data.bones[name].matrix_local.to_3x3() for name in JOINTS], np.float64)
    turned = axes.local_rotations(rotations)
    turned[0] = frame[:3, :3] @ axes.world_rotation(rotations[0])
    basis = quaternion_from_rotation(rest.transpose(0, 2, 1) @ turned @ rest)
    for name, quaternion in zip(JOINTS, basis, strict=True):
        _turn(rig.pose.bones[name], Quaternion(quaternion))
    pelvis = np.asarray(pelvis, np.float64)
    stands = frame[:3, :3] @ axes.world_points(pelvis + translation) + frame[:3, 3]
    rig.pose.bones[JOINTS[0]].location = rest[0].T @ (stands - axes.local_points(pelvis))


def check_size(rig: bpy.types.Object, world: Array) -> None:
    """InputError when the rig is scaled. world : (4, 4) its matrix_world"""
    if np.abs(np.linalg.norm(world[:3, :3], axis=0) - 1).max() > STRETCH:
        raise InputError(f'"{rig.name}" does not fit its body.', "It is scaled; a body has the size of its shape.",
                         "Clear its scale (Alt S), and use the shape keys beta_00.. instead.")


def motions(rig: bpy.types.Object, depsgraph: bpy.types.Depsgraph) -> Array:
    """How each joint stands, constraints and drivers included: (55, 4, 4) float64, rest in local axes -> world."""
    posed = surface.seen(rig, depsgraph)
    stands = np.array([posed.pose.bones[name].matrix for name in JOINTS], np.float64)
    rest = np.array([rig.data.bones[name].matrix_local for name in JOINTS], np.float64)
    return np.array(posed.matrix_world, np.float64) @ stands @ np.linalg.inv(rest)


def heads(rig: bpy.types.Object, depsgraph: bpy.types.Depsgraph) -> Array:
    """Where each joint stands: (55, 3) float64 metres in the Blender world."""
    posed = surface.seen(rig, depsgraph)
    world = np.array(posed.matrix_world, np.float64)
    return np.array([posed.pose.bones[name].head for name in JOINTS], np.float64) @ world[:3, :3].T + world[:3, 3]


def _turn(bone: bpy.types.PoseBone, quaternion: Quaternion) -> None:
    """Turn a bone, whichever way the artist has it keep its rotation; it neither slides nor stretches."""
    if bone.rotation_mode == "QUATERNION":
        bone.rotation_quaternion = quaternion
        bone.location, bone.scale = (0, 0, 0), (1, 1, 1)
    else:
        bone.matrix_basis = quaternion.to_matrix().to_4x4()


def _local(bones: Bones) -> tuple[Array, Array, Array]:
    return tuple(axes.local_points(points) for points in (bones.head, bones.tail, bones.z_axis))


def _add_bones(armature: bpy.types.Armature, bones: Bones) -> None:
    heads, tails, z_axes = _local(bones)
    made = [armature.edit_bones.new(name) for name in JOINTS]
    for joint, bone in enumerate(made):
        bone.head, bone.tail = heads[joint], tails[joint]
        bone.align_roll(Vector(z_axes[joint]))
        if PARENTS[joint] >= 0:
            bone.parent = made[PARENTS[joint]]
            bone.use_connect = bool(bones.connected[joint])


def _group(armature: bpy.types.Armature) -> None:
    collections = {}
    for name in JOINTS:
        group = group_of(name)
        if group not in collections:
            collections[group] = armature.collections.new(group)
        collections[group].assign(armature.bones[name])


def _restrain(rig: bpy.types.Object) -> None:
    """Joints turn and do not slide or stretch, as in SMPL-X; only the pelvis also moves."""
    for bone in rig.pose.bones:
        bone.rotation_mode = "QUATERNION"
        bone.lock_scale = (True, True, True)
        if bone.parent is not None:
            bone.lock_location = (True, True, True)
