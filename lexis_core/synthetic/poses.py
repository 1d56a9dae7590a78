"""Where interactions start from: authored key poses, and motion-capture poses by action word where the file is at hand.

Directions are in the heading frame: x to the person's left, y up, z ahead.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lexis_core.body.names import JOINTS
from lexis_core.errors import InputError
from lexis_core.geometry import axis_angle_from_rotation, rotation_from_axis_angle

Array = np.ndarray

INDEX = {name: k for k, name in enumerate(JOINTS)}
MIRROR = np.array([1.0, -1.0, -1.0])
SWAP = np.array([INDEX[name.replace("left", "RIGHT").replace("right", "left").replace("RIGHT", "right")] - 1
                 for name in JOINTS[1:22]])
ARMS = tuple(INDEX[f"{side}_{joint}"] - 1 for side in ("left", "right")
             for joint in ("collar", "shoulder", "elbow", "wrist"))


@dataclass(frozen=True)
class Pose:
    """A body without a place: rotation (3, 3) of the pelvis in the heading frame, body_pose (21, 3) axis-angle."""

    rotation: Array
    body_pose: Array

    def mirrored(self) -> Pose:
        flip = np.diag([-1.0, 1.0, 1.0])
        return Pose(flip @ self.rotation @ flip, self.body_pose[SWAP] * MIRROR)


# arms: (left upper, left fore, right upper, right fore); one pair stands for both sides
_ARMS = {
    "down": ((.17, -1, -.02), (.08, -1, .2)),
    "loose": ((.25, -1, .05), (.10, -1, .45)),
    "swinging": ((.17, -1, -.3), (.1, -1, .05), (-.17, -1, .25), (-.05, -1, .6)),
    "front": ((.22, -1, .12), (-.05, .05, 1)),
    "front high": ((.3, -1, .45), (-.2, .45, 1)),
    "front low": ((.2, -1, .15), (-.02, -.75, .75)),
    "ahead": ((.12, -.42, .9), (-.02, -.25, 1)),
    "ahead bent": ((.3, -.9, .4), (-.08, -.05, 1)),
    "down ahead": ((.1, -.9, .45), (.0, -.9, .5)),
    "overhead": ((.5, 1, .25), (-.2, 1, .05)),
    "overhead bent": ((1, .3, .25), (-.15, 1, .1)),
    "at the side": ((.2, -1, .0), (.08, -1, .2), (-.2, -1, .0), (-.12, -1, .1)),
    "one up": ((.17, -1, -.02), (.08, -1, .2), (-.2, -1, .15), (.0, .15, 1)),
    "one high": ((.17, -1, .0), (.08, -1, .25), (-.3, -1, .4), (.1, .9, .55)),
    "one ahead": ((.2, -1, -.05), (.1, -1, .3), (-.12, -.3, 1), (-.05, -.1, 1)),
    "one above": ((.2, -1, -.05), (.1, -1, .3), (-.25, .55, .8), (-.2, .9, .5)),
    "one below": ((.25, -1, .0), (.1, -.9, .5), (-.1, -.9, .5), (-.05, -.9, .5)),
    "one behind": ((.17, -1, .1), (.08, -1, .4), (-.25, -.85, -.45), (-.2, -.8, -.4)),
    "swing back": ((-.35, -.5, .8), (-.75, .1, .2), (-.8, -.55, -.1), (.1, .35, .6)),
    "swing through": ((.1, -.6, .8), (-.25, -.1, 1), (-.25, -.6, .8), (.3, -.1, 1)),
    "one drawn back": ((.3, -.8, .6), (.1, -.4, .9), (-.9, -.3, -.25), (-.45, .75, .2)),
    "out": ((.75, -.75, .1), (.7, -.45, .35)),
    "on knees": ((.15, -1, .28), (.0, -.55, 1)),
    "along": ((.25, -.95, .1), (.15, -.95, .25)),
    "on belly": ((.35, -.9, -.1), (-.7, -.5, .55)),
    "behind head": ((.9, .45, -.1), (-.75, .6, -.2)),
    "bent ahead": ((.45, -.75, .5), (.0, .35, .9)),
}
# legs: (left thigh, left shin, right thigh, right shin)
_LEGS = {
    "stand": ((.05, -1, .04), (.02, -1, -.05)),
    "wide": ((.2, -1, .06), (.12, -1, -.06)),
    "contrapposto": ((.12, -1, .12), (.05, -1, -.06), (-.02, -1, .0), (-.03, -1, -.03)),
    "step": ((.04, -1, .33), (.02, -1, -.05), (-.04, -1, -.12), (-.03, -1, -.5)),
    "half step": ((.06, -1, .2), (.03, -1, -.06), (-.05, -1, -.06), (-.04, -1, -.26)),
    "lunge": ((.08, -.9, .55), (.04, -1, -.12), (-.06, -1, -.25), (-.05, -1, -.55)),
    "sit": ((.17, -.06, 1), (.1, -1, .06)),
    "sit open": ((.3, -.06, 1), (.12, -1, .0), (-.25, -.06, 1), (-.1, -1, .2)),
    "sit tucked": ((.1, -.1, 1), (.06, -1, -.25)),
    "sit long": ((.12, -.12, 1), (.05, -1, .45), (-.15, -.08, 1), (-.06, -1, .05)),
    "perch": ((.2, -.6, 1), (.08, -1, -.02)),
    "squat": ((.42, -.18, 1), (.12, -1, -.42)),
    "half squat": ((.22, -.75, .65), (.08, -1, -.32)),
    "kneel": ((.1, -.35, 1), (.08, -1, -.1), (-.1, -1, .15), (-.08, -.12, -1)),
    "surf": ((.5, -1, .28), (.22, -1, -.22)),
    "surf low": ((.6, -.75, .45), (.2, -1, -.35)),
    "pedal": ((.07, -.32, 1), (.02, -1, -.12), (-.07, -.78, .62), (-.02, -1, -.18)),
    "straddle": ((.42, -.3, 1), (.06, -1, -.3)),
    "rider": ((.8, -.6, .65), (.1, -1, -.15)),
    "kick": ((.06, -1, .05), (.03, -1, -.08), (-.04, -.66, .75), (-.02, -.8, .6)),
    "flat": ((.08, -1, .05), (.06, -1, -.02)),
    "flat bent": ((.1, -.8, .75), (.08, -.9, -.55), (-.06, -1, .05), (-.05, -1, -.02)),
    "flat both": ((.12, -.8, .75), (.08, -.9, -.55)),
    "scoot": ((.02, -1, .12), (.0, -1, -.18), (-.1, -1, -.3), (-.08, -1, -.55)),
}


def key_pose(legs: str, arms: str, lean: float = 0.0, bend: float = 0.0, twist: float = 0.0,
             nod: float = 0.0) -> Pose:
    """An authored pose. lean tips the whole body forward, bend the spine, twist turns the chest left; degrees.

    Directions of arms and legs are read in the untipped frame, so that legs stay where they are when the body leans.
    """
    tip = np.radians(lean)
    frame = rotation_from_axis_angle(np.array([tip, 0, 0]))
    spine = np.radians([bend / 3, twist / 3, 0])
    return from_directions(frame, spine, np.radians([nod, 0, 0]), _both(_ARMS[arms]), _both(_LEGS[legs]))


def lying(legs: str, arms: str, face_up: bool, nod: float = 0.0) -> Pose:
    """A body laid flat, its head at -z when it looks up and at +z when it looks down; nod raises the head, degrees."""
    upright = key_pose(legs, arms, nod=nod if face_up else -nod)
    return Pose(rotation_from_axis_angle(np.array([-np.pi / 2 if face_up else np.pi / 2, 0, 0])), upright.body_pose)


def _both(vectors: tuple) -> Array:
    """(4, 3) unit directions: left upper and lower, right upper and lower."""
    v = np.array(vectors, float)
    v = np.concatenate([v, v * [-1, 1, 1]]) if len(v) == 2 else v
    return v / np.linalg.norm(v, axis=1, keepdims=True)


def from_directions(pelvis: Array, spine: Array, head: Array, arms: Array, legs: Array) -> Pose:
    """Joint rotations that point limbs along directions in the heading frame.

    pelvis (3, 3); spine (3,) axis-angle of each of three joints; head (3,); arms and legs (4, 3) as _both gives them.
    Elbows and knees bend about their own axis only; the bend's direction settles the limb's twist.
    """
    pose = np.zeros((21, 3))
    pose[[2, 5, 8]] = spine
    pose[11] = head / 2
    pose[14] = head / 2
    turn = rotation_from_axis_angle(spine)
    chest = pelvis @ turn @ turn @ turn
    for side, sign, rows in (("left", 1.0, slice(0, 2)), ("right", -1.0, slice(2, 4))):
        upper, lower = arms[rows]
        ahead = _across(lower, upper, chest @ [0, 0.3, 1])
        across = sign * np.cross(ahead, upper)
        shoulder = np.stack([sign * upper, across, ahead], -1)
        pose[INDEX[f"{side}_shoulder"] - 1] = axis_angle_from_rotation(chest.T @ shoulder)
        pose[INDEX[f"{side}_elbow"] - 1] = [0, -sign * np.arccos(np.clip(upper @ lower, -1, 1)), 0]
        thigh, shin = legs[rows]
        front = -_across(shin, thigh, -(pelvis @ [0, 0, 1]))
        hip = np.stack([np.cross(-thigh, front), -thigh, front], -1)
        pose[INDEX[f"{side}_hip"] - 1] = axis_angle_from_rotation(pelvis.T @ hip)
        bend = np.arccos(np.clip(thigh @ shin, -1, 1))
        pose[INDEX[f"{side}_knee"] - 1] = [bend, 0, 0]
        knee = hip @ rotation_from_axis_angle(np.array([bend, 0, 0]))
        heading = knee[:, 2] * [1, 0, 1] + 0.15 * knee[:, 1] * [1, 0, 1]
        if np.linalg.norm(heading) > 0.3 and shin[1] < -0.4:
            heading /= np.linalg.norm(heading)
            level = np.stack([np.cross([0, 1, 0], heading), [0, 1, 0], heading], -1)
            ankle = axis_angle_from_rotation(knee.T @ level)
            pose[INDEX[f"{side}_ankle"] - 1] = np.clip(ankle, [-0.7, -0.2, -0.25], [0.65, 0.2, 0.25])
    return Pose(np.asarray(pelvis, float), pose)


def _across(vector: Array, axis: Array, hint: Array) -> Array:
    """The unit part of vector across the axis; where there is too little of it, that of the hint."""
    part = vector - (vector @ axis) * axis
    spare = hint - (hint @ axis) * axis
    part = part + max(0.0, 0.12 - np.linalg.norm(part)) * spare
    return part / np.linalg.norm(part)


def with_arms(body: Pose, arms: Pose) -> Pose:
    """Legs and spine of one pose with the arms of another."""
    pose = body.body_pose.copy()
    pose[list(ARMS)] = arms.body_pose[list(ARMS)]
    return Pose(body.rotation, pose)


@dataclass(frozen=True)
class Captured:
    """Motion-capture poses: rotation (N, 3, 3) without heading, body_pose (N, 21, 3), rows of each action word."""

    rotation: Array
    body_pose: Array
    rows: dict[str, Array]

    def draw(self, tag: str, rng: np.random.Generator) -> Pose | None:
        rows = self.rows.get(tag, ())
        if not len(rows):
            return None
        row = rows[rng.integers(len(rows))]
        return Pose(self.rotation[row].astype(np.float64), self.body_pose[row].astype(np.float64))


def read_captured(path: str | Path) -> Captured:
    """The CMU poses converted to SMPL-X order. Only frames whose lowest point is near the floor. InputError if not."""
    path = Path(path)
    try:
        with np.load(path, allow_pickle=False) as file:
            pose = file["body_pose"].astype(np.float32).reshape(-1, 21, 3)
            root = file["root_orient"].astype(np.float64)
            gap = file["pelvis_height"].astype(np.float32) - file["pelvis_above_lowest"].astype(np.float32)
            tag, names = file["tag"], [str(name) for name in file["tag_names"]]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zipfile.zlib.error) as error:
        raise InputError(f"{path} holds no poses.", str(error) or type(error).__name__,
                         "Give a file with the keys body_pose, root_orient, pelvis_height, pelvis_above_lowest, tag "
                         "and tag_names, or leave --poses out.") from error
    shapes_agree = root.shape == (len(pose), 3) and gap.shape == tag.shape == (len(pose),)
    if not (shapes_agree and np.isfinite(pose).all() and np.isfinite(root).all()):
        raise InputError(f"{path} holds no poses.", "Its arrays differ in length or hold NaN.",
                         "Use the file as it was published.")
    rows = {name: np.flatnonzero((tag == k) & (gap < 0.12)) for k, name in enumerate(names)}
    return Captured(without_heading(rotation_from_axis_angle(root)), pose, rows)


def without_heading(rotation: Array) -> Array:
    """(..., 3, 3) turned about y until the body's front has no sideways part."""
    ahead = rotation[..., :, 2]
    turn = np.zeros((*ahead.shape[:-1], 3))
    turn[..., 1] = -np.arctan2(ahead[..., 0], ahead[..., 2])
    return rotation_from_axis_angle(turn) @ rotation
