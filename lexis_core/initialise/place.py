"""Where an object most likely is when no mask shows it: by its category, near the hands, the seat, the feet."""

from __future__ import annotations

import numpy as np

from lexis_core.body.model import PosedBody
from lexis_core.body.names import JOINTS
from lexis_core.objects.model import ObjectModel
from lexis_core.state import ObjectState

Array = np.ndarray

UP = np.array([0.0, -1.0, 0.0])  # of a level camera
REACH = 0.6                      # metres, from the body to a thing that stands before it
HEAD = 0.3                       # metres, from the head's joint to beyond its top
_J = {name: index for index, name in enumerate(JOINTS)}


def object_by_category(model: ObjectModel, place: str, body: PosedBody) -> ObjectState:
    """A guess, upright and facing as the body does. `place` is the library's word for how it is used, "" when unknown.

    hand, hands: in the right hand, between the hands. seat: on the floor, under the pelvis. feet: under the soles.
    back: against the back. head: on its top. Everything else: on the floor before the body.
    """
    joints = body.joints.astype(np.float64)
    front = body.transforms[0, :3, :3] @ np.array([0.0, 0.0, 1.0])
    front = front - (front @ UP) * UP
    front = front / np.linalg.norm(front) if np.linalg.norm(front) > 1e-3 else np.array([0.0, 0.0, -1.0])
    rotation = np.stack([np.cross(UP, front), UP, front], -1)
    half = np.ptp(model.mesh.vertices, axis=0) / 2
    soles = float((body.vertices @ UP).min())

    def resting(at: Array, height: float) -> Array:
        """The centre that puts the object's lowest point at that height, over or under `at`."""
        return at + (height + half[1] - at @ UP) * UP

    pelvis = joints[_J["pelvis"]]
    hands = {side: joints[[_J[f"{side}_wrist"], _J[f"{side}_middle1"], _J[f"{side}_middle3"]]].mean(0)
             for side in ("left", "right")}
    if place == "hand":
        centre = hands["right"]
    elif place == "hands":
        centre = (hands["left"] + hands["right"]) / 2
    elif place == "seat":
        centre = resting(pelvis, soles)
    elif place == "feet":
        centre = resting((joints[_J["left_foot"]] + joints[_J["right_foot"]]) / 2, soles - 2 * half[1])
    elif place == "back":
        centre = joints[_J["spine2"]] - front * (half[2] + 0.12)
    elif place == "head":
        near = np.linalg.norm(body.vertices - joints[_J["head"]], axis=1) < HEAD
        centre = resting(joints[_J["head"]], float((body.vertices[near] @ UP).max()))
    else:
        centre = resting(pelvis + front * (REACH + half[2]), soles)
    return ObjectState(rotation.astype(np.float32), centre.astype(np.float32))
