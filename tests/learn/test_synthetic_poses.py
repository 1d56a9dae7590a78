"""Where interactions start: key poses point limbs as told; BVH files and captured poses are read or refused."""

import numpy as np
import pytest

from lexis_core.body import default_body, pose
from lexis_core.errors import InputError
from lexis_core.geometry import axis_angle_from_rotation, rotation_degrees, rotation_from_axis_angle
from lexis_core.state import BodyState
from lexis_core.synthetic import bvh, poses

MODEL = default_body()


def test_key_poses_point_limbs_where_they_are_told():
    down, forward = np.array([0, -1.0, 0]), np.array([0, 0, 1.0])
    limbs = np.stack([down, forward, forward, down])
    made_pose = poses.from_directions(np.eye(3), np.zeros(3), np.zeros(3), limbs, np.stack([forward, down] * 2))
    local = np.zeros((55, 3))
    local[1:22] = made_pose.body_pose
    turn = rotation_from_axis_angle(local)
    world = [turn[0]]
    for joint in range(1, 22):
        world.append(world[MODEL.parents[joint]] @ turn[joint])
    for joint, rest, direction in ((16, [1, 0, 0], down), (18, [1, 0, 0], forward), (17, [-1, 0, 0], forward),
                                   (19, [-1, 0, 0], down), (1, [0, -1, 0], forward), (4, [0, -1, 0], down)):
        assert world[joint] @ rest == pytest.approx(direction, abs=1e-6)


def test_a_mirrored_pose_is_the_mirror_image():
    start = poses.key_pose("kick", "one up", lean=10, bend=5, twist=12)
    vertices, mirrored = (pose(MODEL, BodyState(p.body_pose, rotation=p.rotation.astype(np.float32))).joints
                          for p in (start, start.mirrored()))
    swapped = np.r_[0, poses.SWAP + 1]
    assert np.abs(mirrored[:22][swapped] * [-1, 1, 1] - vertices[:22]).max() < 2e-3


BVH = """HIERARCHY
ROOT Hips
{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT Arm
  {
    OFFSET 1 0 0
    CHANNELS 3 Zrotation Xrotation Yrotation
    End Site
    {
      OFFSET 2 0 0
    }
  }
}
MOTION
Frames: 2
Frame Time: 0.05
0 0 0 0 0 0 0 0 0
1 2 3 90 0 0 0 0 90
"""


def test_bvh_positions_follow_the_closed_form(tmp_path):
    path = tmp_path / "two.bvh"
    path.write_text(BVH)
    motion = bvh.read_bvh(path)
    places, turns = bvh.world(motion)
    assert motion.names == ("Hips", "Arm", "Arm end") and motion.frame_time == 0.05
    assert places[0] == pytest.approx(np.array([[0, 0, 0], [1, 0, 0], [3, 0, 0]]))
    # the root turns x to y; the arm's own turn about y takes x to -z, which the root leaves
    assert places[1] == pytest.approx(np.array([[1, 2, 3], [1, 3, 3], [1, 3, 1]]))
    assert rotation_degrees(turns[1, 0], rotation_from_axis_angle(np.array([0, 0, np.pi / 2]))) < 1e-4


@pytest.mark.parametrize("text", ["", "HIERARCHY", BVH.replace("}", "", 1), BVH.replace("90", "x", 1),
                                  BVH.replace("Frames: 2", "Frames: 3"), BVH.replace("90", "nan", 1)])
def test_a_broken_bvh_is_refused(tmp_path, text):
    path = tmp_path / "broken.bvh"
    path.write_text(text)
    with pytest.raises(InputError):
        bvh.read_bvh(path)


def cmu_bvh(turn_left_hip: float) -> str:
    def joint(name, offset, children="", kind="JOINT"):
        six = "6 Xposition Yposition Zposition Zrotation Yrotation Xrotation"
        channels = six if kind == "ROOT" else "3 Zrotation Yrotation Xrotation"
        return f"{kind} {name} {{ OFFSET {offset} CHANNELS {channels} {children} }}"

    def chain(names, offsets):
        text = ""
        for name, offset in reversed(list(zip(names, offsets, strict=True))):
            text = joint(name, offset, text or "End Site { OFFSET 0 -1 0 }")
        return text

    legs = [chain([f"{side}UpLeg", f"{side}Leg", f"{side}Foot"], [f"{x} 0 0", "0 -4 0", "0 -4 0"])
            for side, x in (("Left", 1), ("Right", -1))]
    arms = [chain([f"{side}Arm", f"{side}ForeArm", f"{side}Hand"], [f"{x} 0 0", f"{x} 0 0", f"{x} 0 0"])
            for side, x in (("Left", 2), ("Right", -2))]
    tree = joint("Hips", "0 0 0", "\n".join([*legs, joint("Spine1", "0 2 0", "\n".join(arms))]), "ROOT")
    words = ["0"] * (6 + 3 * 13)
    words[6 + 2] = str(turn_left_hip)
    return f"HIERARCHY\n{tree}\nMOTION\nFrames: 1\nFrame Time: 0.03\n{' '.join(words)}\n"


def test_a_cmu_motion_becomes_our_pose(tmp_path):
    path = tmp_path / "cmu.bvh"
    path.write_text(cmu_bvh(-60))
    (found,) = bvh.poses(bvh.read_bvh(path))
    hip = rotation_from_axis_angle(found.body_pose[0])
    assert hip @ [0, -1, 0] == pytest.approx(rotation_from_axis_angle(np.radians([-60.0, 0, 0])) @ [0, -1, 0], abs=1e-6)
    assert axis_angle_from_rotation(found.rotation) == pytest.approx(np.zeros(3), abs=1e-9)
    path.write_text(BVH)
    with pytest.raises(InputError):
        bvh.poses(bvh.read_bvh(path))


def test_captured_poses_are_read_by_tag_and_wrong_files_refused(tmp_path):
    path = tmp_path / "poses.npz"
    arrays = {"body_pose": np.zeros((4, 63), np.float16), "root_orient": np.tile([0, 1.0, 0], (4, 1)),
              "pelvis_height": np.full(4, 0.9), "pelvis_above_lowest": np.array([0.9, 0.9, 0.2, 0.9]),
              "tag": np.array([0, 1, 0, 0]), "tag_names": np.array(["walk", "sit"])}
    np.savez(path, **arrays)
    captured = poses.read_captured(path)
    assert captured.rows["walk"].tolist() == [0, 3]
    assert captured.draw("walk", np.random.default_rng(0)).rotation == pytest.approx(np.eye(3), abs=1e-6)
    assert captured.draw("fly", np.random.default_rng(0)) is None
    for wrong in ({"root_orient": np.full((4, 3), np.nan)}, {"tag": np.zeros(3, int)}):
        np.savez(path, **arrays | wrong)
        with pytest.raises(InputError):
            poses.read_captured(path)
    path.write_bytes(b"no")
    with pytest.raises(InputError):
        poses.read_captured(path)


def test_the_grid_distance_has_the_gradient_of_its_values():
    torch = pytest.importorskip("torch")
    from lexis_core.synthetic.grid import GridDistance

    rng = np.random.default_rng(0)
    dims = np.array([[5, 6, 7], [4, 5, 6]])
    values = rng.normal(size=5 * 6 * 7 + 4 * 5 * 6)
    points = torch.tensor(rng.uniform(-1, 3, (2, 40, 3)), requires_grad=True)
    rest = values, np.array([0, 210]), np.zeros((2, 3)), np.array([0.5, 0.3]), dims
    assert torch.autograd.gradcheck(lambda p: GridDistance.apply(p, *rest), (points,))
