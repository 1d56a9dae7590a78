"""The rig: an armature of SMPL-X's 55 joints at rest in the T-pose of the solved shape, and its pose."""

from __future__ import annotations

import bpy
import numpy as np
from mathutils import Vector

from lexis_core.body.names import JOINTS, PARENTS
from lexis_core.geometry import quaternion_from_rotation

from . import axes
from .skeleton import Bones, group_of

Array = np.ndarray


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


def set_pose(rig: bpy.types.Object, rotations: Array, pelvis: Array, translation: Array) -> None:
    """Pose the rig as lexis_core does.

    rotations   : (55, 3, 3) local rotations, the root's into camera space (body.model.joint_rotations)
    pelvis      : (3,) metres, the pelvis at rest, in the rest frame
    translation : (3,) metres, the state's
    """
    rest = np.array([rig.data.bones[name].matrix_local.to_3x3() for name in JOINTS], np.float64)
    turned = axes.local_rotations(rotations)
    turned[0] = axes.world_rotation(rotations[0])
    basis = quaternion_from_rotation(rest.transpose(0, 2, 1) @ turned @ rest)
    for name, quaternion in zip(JOINTS, basis, strict=True):
        rig.pose.bones[name].rotation_quaternion = quaternion
    pelvis = np.asarray(pelvis, np.float64)
    moved = axes.world_points(pelvis + translation) - axes.local_points(pelvis)
    rig.pose.bones[JOINTS[0]].location = rest[0].T @ moved


def _add_bones(armature: bpy.types.Armature, bones: Bones) -> None:
    heads, tails, z_axes = (axes.local_points(points) for points in (bones.head, bones.tail, bones.z_axis))
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
