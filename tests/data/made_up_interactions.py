"""A few interactions made up without the generator: people standing beside, and holding, things of the library."""

from __future__ import annotations

import numpy as np

from lexis_core.body import load_body, rest_joints
from lexis_core.geometry import axis_angle_from_rotation, rotation_from_axis_angle
from lexis_core.objects.library import CATEGORIES, make
from lexis_core.synthetic.states import ACTION_NAMES, FIELDS, Interactions, stored_precision

CATEGORY_NAMES = ("chair", "box", "bicycle", "table", "bottle", "sofa", "umbrella", "skateboard")


def made_up(count: int = 8, seed: int = 0) -> Interactions:
    """count interactions, equal for equal seeds: relaxed arms, a step apart, an object 0.6 m in front of the body."""
    rng = np.random.default_rng(seed)
    model = load_body(None)
    instances = tuple((name, CATEGORIES[name].sample(rng)) for name in CATEGORY_NAMES)
    rows: dict[str, list] = {name: [] for name in FIELDS}
    for i in range(count):
        betas = rng.normal(0, 0.7, 10).astype(np.float32)
        body_pose = rng.normal(0, 0.06, (21, 3))
        body_pose[15, 2], body_pose[16, 2] = -1.1, 1.1
        body_pose[17, 1], body_pose[18, 1] = -0.5, 0.5
        pelvis = rest_joints(model, betas, np.zeros(10))[0]
        turn = rotation_from_axis_angle(np.array([0, rng.uniform(-np.pi, np.pi), 0]))
        instance = i % len(instances)
        mesh = make(instances[instance][0], **instances[instance][1]).mesh
        place = turn @ np.array([rng.uniform(-0.2, 0.2), 0, 0.6 + mesh.vertices[:, 2].max()])
        camera, shift = _looking(rng, centre=np.array([0, 0.95, 0]), distance=rng.uniform(4, 6))
        values = {
            "action": ACTION_NAMES.index("walk past"), "instance": instance, "split": i % 4,
            "seed": rng.integers(2**62),
            "betas": betas, "body_pose": body_pose, "left_hand_pose": np.zeros((15, 3)),
            "right_hand_pose": np.zeros((15, 3)), "rotation": axis_angle_from_rotation(turn),
            "translation": np.array([0, 0.92, 0]) - pelvis, "object_rotation": axis_angle_from_rotation(turn),
            "object_translation": place + [0, -mesh.vertices[:, 1].min(), 0], "camera_rotation": camera,
            "camera_translation": shift, "focal": 1.8,
        }
        for name, value in values.items():
            rows[name].append(value)
    arrays = {name: stored_precision(name, np.array(values)) for name, values in rows.items()}
    return Interactions(**arrays, instances=instances, meta={"made_up": True})


def _looking(rng: np.random.Generator, centre, distance: float):
    """Axis-angle and translation of a camera that sees centre from all around, 10 degrees up to 30 down."""
    around = rotation_from_axis_angle(np.array([0, rng.uniform(-np.pi, np.pi), 0]))
    pitch = rotation_from_axis_angle(np.array([np.radians(rng.uniform(-10, 30)), 0, 0]))
    rotation = pitch @ np.diag([1.0, -1.0, -1.0]) @ around
    return axis_angle_from_rotation(rotation), np.array([0, 0, distance]) - rotation @ centre
