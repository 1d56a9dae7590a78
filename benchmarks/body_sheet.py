"""A contact sheet of the default body: rest pose, mocap poses, shapes, expressions, hands.

python benchmarks/body_sheet.py --out docs/images/body.png [--poses cmu_smplx_poses.npz] [--part faces]
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from lexis_core.body import load_body, pose
from lexis_core.body.names import JOINTS
from lexis_core.camera import Camera
from lexis_core.draw import BODY_COLOUR, shade
from lexis_core.geometry import rotation_from_axis_angle
from lexis_core.mesh import Mesh
from lexis_core.state import BodyState

UPRIGHT = np.diag([1.0, -1.0, -1.0])  # the body's y up, seen from its front, in camera axes
ACTIONS = ("walk", "run", "sit", "squat", "reach", "throw", "dance", "kick")


def view(model, state, turn=0.0, tilt=0.0, centre=(0, -0.08, 0), span=2.0, size=240):
    """One picture (size, size, 3) uint8: the body turned about its vertical by degrees, span metres wide."""
    vertices = pose(model, state).vertices - np.asarray(centre)
    spin = rotation_from_axis_angle(np.radians([0.0, turn, 0.0]))
    nod = rotation_from_axis_angle(np.radians([tilt, 0.0, 0.0]))
    distance = 3.0 * span
    seen = Mesh(vertices, model.faces).moved(UPRIGHT @ nod @ spin, np.array([0, 0, distance]))
    camera = Camera.of_image(size, size, focal=size * distance / span)
    picture, cover = shade([seen], [np.array(BODY_COLOUR)], camera)
    return np.clip((picture + 1 - cover[..., None]) * 255 + 0.5, 0, 255).astype(np.uint8)


def rest(model):
    flat = BodyState(flat_hand=True)
    return [[view(model, flat, turn) for turn in (0, 90, 180, -90)]]


def poses(model, path, seed=3):
    """One random frame of each action, from the front and from the side."""
    data = np.load(path, allow_pickle=False)
    tags = [str(t) for t in data["tag_names"]]
    rng = np.random.default_rng(seed)
    states = []
    for action in ACTIONS:
        frame = rng.choice(np.flatnonzero(data["tag"] == tags.index(action)))
        body = data["body_pose"][frame].reshape(21, 3).astype(np.float32)
        root = rotation_from_axis_angle(data["root_orient"][frame].astype(np.float64))
        front = root[:, 2]
        upright = rotation_from_axis_angle(np.array([0, -np.arctan2(front[0], front[2]), 0])) @ root
        states.append(BodyState(body_pose=body, rotation=upright.astype(np.float32)))
    return [
        [view(model, state, turn, 8, (0, 0.05, 0), 2.3) for state in states[i : i + 4]]
        for i in (0, 4)
        for turn in (20, 110)
    ]


def shapes(model):
    relaxed = np.zeros((21, 3), np.float32)
    relaxed[15, 2], relaxed[16, 2] = -1.1, 1.1
    base = BodyState(body_pose=relaxed)
    rows = []
    for sign in (2, -2):
        rows.append([view(model, replace(base, betas=sign * np.eye(10, dtype=np.float32)[k]), 20, span=2.3)
                     for k in range(4)])
    return rows


def faces(model):
    def head(state, turn=15.0):
        joint = pose(model, state).joints[JOINTS.index("head")]
        return view(model, state, turn, centre=joint + np.array([0, 0.03, 0]), span=0.3)

    one = np.eye(10, dtype=np.float32)
    states = [BodyState(expression=one[k]) for k in range(10)]
    states += [BodyState(jaw=np.array([0.35, 0, 0], np.float32)), BodyState()]
    return [[head(s) for s in states[i : i + 4]] for i in (0, 4, 8)]


def hands(model):
    """Flat and relaxed left hand from above, from the front and from below; then a fist."""
    def hand(state, turn, tilt):
        joint = pose(model, state).joints[JOINTS.index("left_middle1")]
        return view(model, state, turn, tilt, centre=joint, span=0.28)

    fist = np.zeros((15, 3), np.float32)
    fist[:12, 2] = -1.2
    states = BodyState(flat_hand=True), BodyState(), BodyState(flat_hand=True, left_hand_pose=fist)
    return [[hand(s, turn, tilt) for turn, tilt in ((0, 80), (0, 0), (60, 0), (0, -80))] for s in states]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--body", type=Path)
    parser.add_argument("--poses", type=Path)
    parser.add_argument("--part", choices=("rest", "poses", "shapes", "faces", "hands"))
    arguments = parser.parse_args()
    model = load_body(arguments.body)
    parts = {"rest": rest, "shapes": shapes, "faces": faces, "hands": hands}
    if arguments.poses:
        parts["poses"] = lambda model: poses(model, arguments.poses)
    chosen = [arguments.part] if arguments.part else list(parts)
    rows = [np.concatenate(row, 1) for part in chosen for row in parts[part](model)]
    Image.fromarray(np.concatenate(rows)).quantize(64).save(arguments.out, optimize=True)


if __name__ == "__main__":
    main()
