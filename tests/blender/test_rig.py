"""The rig is one an animator can work with: bones along the limbs, mirrored sides, joints that bend the right way."""

from __future__ import annotations

from itertools import pairwise

import bpy
import numpy as np
import pytest
from made_up_results import made_up_result
from mathutils import Matrix, Quaternion
from numpy.testing import assert_allclose

from lexis_blender import api
from lexis_core.body.model import rest_joints
from lexis_core.body.names import JOINTS, PARENTS
from lexis_core.state import BodyState

MIRROR = np.diag([-1.0, 1.0, 1.0])


@pytest.fixture
def rig(body):
    return api.import_reconstruction(made_up_result(body, 4), body=body).rig


@pytest.fixture
def upright_rig(upright_body):
    """A mirrored T-pose."""
    return api.import_reconstruction(made_up_result(upright_body, state=BodyState(
        translation=np.array([0, 0, 3], np.float32))), body=upright_body).rig


def test_the_bones_are_smplxs_joints_in_its_tree(rig):
    bones = rig.data.bones
    assert {b.name for b in bones} == set(JOINTS)
    for joint, parent in enumerate(PARENTS):
        assert (bones[JOINTS[joint]].parent.name if parent >= 0 else None) == (JOINTS[parent] if parent >= 0 else None)


def test_bones_rest_on_the_joints_of_the_solved_shape(body):
    result = made_up_result(body, 4)
    rig = api.import_reconstruction(result, body=body).rig
    x, y, z = rest_joints(body, result.state.body.betas, result.state.body.expression).T
    heads = [rig.data.bones[name].head_local for name in JOINTS]
    assert_allclose(heads, np.stack([x, -z, y], 1), atol=1e-6)


def test_no_bone_is_lost_or_tiny(rig):
    assert all(0.009 < bone.length < 0.6 for bone in rig.data.bones)


def test_limbs_are_chains(rig):
    bones = rig.data.bones
    for chain in (["pelvis", "spine1", "spine2", "spine3", "neck", "head"],
                  ["left_hip", "left_knee", "left_ankle", "left_foot"],
                  ["right_collar", "right_shoulder", "right_elbow", "right_wrist", "right_middle1", "right_middle2"]):
        for above, below in pairwise(chain):
            assert_allclose(bones[above].tail_local, bones[below].head_local, atol=1e-6)


def test_head_and_eyes_point_where_a_person_expects(rig):
    def direction(name):
        bone = rig.data.bones[name]
        return np.array(bone.tail_local - bone.head_local) / bone.length

    assert direction("head") @ [0, 0, 1] > 0.99
    for name in ("left_eye_smplhf", "right_eye_smplhf", "left_foot", "right_foot"):
        assert direction(name) @ [0, -1, 0] > 0.99
    assert direction("left_elbow") @ [1, 0, 0] > 0.8 and direction("right_elbow") @ [-1, 0, 0] > 0.8
    assert direction("left_knee") @ [0, 0, -1] > 0.9


def test_blender_knows_which_bone_mirrors_which(rig):
    for name in JOINTS:
        side = {"left": "right", "right": "left"}.get(name.split("_")[0])
        expected = name if side is None else side + name[name.index("_"):]
        assert bpy.utils.flip_name(name) == expected


def test_left_and_right_rolls_are_mirrored(upright_rig):
    """Blender's mirror: Y and Z axes reflected, X reflected and turned about."""
    for bone in upright_rig.data.bones:
        mine = np.array(bone.matrix_local.to_3x3())
        other = np.array(upright_rig.data.bones[bpy.utils.flip_name(bone.name)].matrix_local.to_3x3())
        assert_allclose(other, MIRROR @ mine @ np.diag([-1, 1, 1]), atol=1e-3)


def test_pasting_a_pose_flipped_mirrors_the_body(upright_rig):
    rng = np.random.default_rng(0)
    bpy.ops.object.mode_set(mode="POSE")
    pose = upright_rig.pose.bones
    for name in ("left_shoulder", "left_elbow", "left_wrist", "left_index1", "left_hip", "left_knee"):
        pose[name].rotation_quaternion = Quaternion(rng.normal(size=4)).normalized()
    bpy.ops.pose.select_all(action="SELECT")
    bpy.context.view_layer.update()
    heads = {b.name: np.array(b.head) for b in pose}
    bpy.ops.pose.copy()
    bpy.ops.pose.paste(flipped=True)
    bpy.context.view_layer.update()
    for bone in pose:
        assert_allclose(bone.head, MIRROR @ heads[bpy.utils.flip_name(bone.name)], atol=2e-3)


@pytest.mark.parametrize(("bone", "tip", "towards"), [
    ("left_elbow", "left_wrist", (0, -1, 0)), ("right_elbow", "right_wrist", (0, -1, 0)),
    ("left_index1", "left_index3", (0, 0, -1)), ("right_pinky2", "right_pinky3", (0, 0, -1)),
    ("spine2", "head", (0, -1, 0)), ("left_hip", "left_ankle", (0, -1, 0)), ("left_ankle", "left_foot", (0, 0, 1)),
])
def test_turning_about_x_bends_a_joint_its_natural_way(upright_rig, bone, tip, towards):
    pose = upright_rig.pose.bones
    pelvis = pose["pelvis"]
    pelvis.matrix_basis = Matrix()
    bpy.context.view_layer.update()
    before = np.array(pose[tip].head)
    pose[bone].rotation_quaternion = Quaternion((1, 0, 0), 0.3)
    bpy.context.view_layer.update()
    moved = np.array(pose[tip].head) - before
    assert moved @ towards > 0.7 * np.linalg.norm(moved) > 0


def test_only_the_pelvis_moves(rig):
    for bone in rig.pose.bones:
        assert all(bone.lock_location) == (bone.name != "pelvis") and all(bone.lock_scale)
        assert bone.rotation_mode == "QUATERNION"


def test_bone_collections_part_the_hands_from_the_body(rig):
    groups = {c.name: {b.name for b in c.bones} for c in rig.data.collections}
    assert groups["Left hand"] == {n for n in JOINTS if n.startswith("left_") and n[-1] in "123"}
    assert len(groups["Body"]) == 22 and groups["Face"] == {"jaw", "left_eye_smplhf", "right_eye_smplhf"}
