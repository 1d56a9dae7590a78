"""Reconstructions nobody solved: random poses of a body beside a box, with a true InterField and a plain photo."""

from __future__ import annotations

import numpy as np

from lexis_core.body.model import BodyModel, pose
from lexis_core.camera import Camera
from lexis_core.geometry import rotation_from_axis_angle
from lexis_core.interfield import measure
from lexis_core.mesh import Mesh
from lexis_core.objects.model import ObjectModel
from lexis_core.reconstruction import Reconstruction, encode_photo
from lexis_core.state import BodyState, ObjectState, State

FACING_THE_CAMERA = np.diag([1.0, -1.0, -1.0]).astype(np.float32)


def random_state(seed: int, strength: float = 0.4) -> BodyState:
    """A body some 3 m in front of the camera, every parameter random; strength in radians."""
    rng = np.random.default_rng(seed)

    def normal(scale, *shape):
        return rng.normal(0, scale, shape).astype(np.float32)

    turn = rotation_from_axis_angle(normal(strength, 3))
    return BodyState(
        body_pose=normal(strength, 21, 3), left_hand_pose=normal(strength, 15, 3),
        right_hand_pose=normal(strength, 15, 3), jaw=normal(strength / 4, 3), betas=normal(1.5, 10),
        expression=normal(1.5, 10), rotation=turn @ FACING_THE_CAMERA,
        translation=np.array([0.2, 0.6, 3.2], np.float32) + normal(0.1, 3), flat_hand=bool(rng.integers(2)))


def box(size=(0.4, 0.3, 0.5)) -> Mesh:
    """A closed box about the origin, metres."""
    corners = np.array([(x, y, z) for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)]) * size
    faces = [(0, 1, 3), (0, 3, 2), (4, 6, 7), (4, 7, 5), (0, 4, 5), (0, 5, 1),
             (2, 3, 7), (2, 7, 6), (0, 2, 6), (0, 6, 4), (1, 5, 7), (1, 7, 3)]
    return Mesh(corners.astype(np.float32), np.array(faces, np.int32))


def made_up_result(model: BodyModel, seed: int = 0, camera: Camera | None = None, item: ObjectModel | None = None,
                   strength: float = 0.4, state: BodyState | None = None) -> Reconstruction:
    """A complete Reconstruction of this body. Its photo is a grey wall with a bright left upper quarter."""
    rng = np.random.default_rng(seed + 1000)
    camera = camera or Camera(331, 247, (420.0, 420.0), (150.25, 131.5))
    state = state or random_state(seed, strength)
    item = item or ObjectModel("box", "box", box(), np.eye(4, dtype=np.float32), True)
    posed = pose(model, state)
    hand = posed.joints[20]
    placed = ObjectState(rotation_from_axis_angle(rng.normal(0, 0.5, 3).astype(np.float32)) @ FACING_THE_CAMERA,
                         (hand + np.array([0.1, 0.1, 0.0])).astype(np.float32), 1.1)
    stood = item.mesh.moved(placed.rotation, placed.translation, placed.scale)
    field = measure(Mesh(posed.vertices, model.faces), stood)
    image = np.full((camera.height, camera.width, 3), 110, np.uint8)
    image[: camera.height // 2, : camera.width // 2] = 200
    nothing = np.zeros((camera.height, camera.width), bool)
    return Reconstruction(
        State(state, placed), camera, item, field, model.name, model.digest, encode_photo(image), nothing, nothing,
        np.zeros((39, 2), np.float32), np.zeros((39, 3), np.float32), np.zeros(39, np.float32), {"seed": seed})
