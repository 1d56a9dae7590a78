"""What the image encoder learns to see, from the states: the pose, the object's place, and what touches it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from lexis_core.body import default_body
from lexis_core.body.model import pose_batch, restrict
from lexis_core.body.names import JOINTS
from lexis_core.geometry import rotation_from_axis_angle
from lexis_core.interfield import CONTACT, distance
from lexis_core.learn.kinematics import POSED
from lexis_core.learn.views import OBJECT, PERSON
from lexis_core.synthetic.regions import regions
from lexis_core.synthetic.states import Interactions

Array = np.ndarray

TOUCHING = {  # regions of the skin whose points stand for a part
    "left hand": ("left_palm", "left_hand", "left_fingertips"),
    "right hand": ("right_palm", "right_hand", "right_fingertips"),
    "left foot": ("left_sole", "left_ball", "left_toes"), "right foot": ("right_sole", "right_ball", "right_toes"),
    "seat": ("seat", "saddle"),
}
AT_ONCE = 256  # bodies posed at a time
_OTHER = [JOINTS.index(name.replace("left", "?").replace("right", "left").replace("?", "right"))
          for name in JOINTS[:POSED]]
_OTHER_PART = [1, 0, 3, 2, 4]


@dataclass(frozen=True)
class Labels:
    """What is true of N pictures. Camera axes; crop units as in Views.

    joints    : (N, 22, 3) metres from the pelvis
    pixels    : (N, 22, 2) crop units, where the joints are in the picture, seen or not
    pelvis    : (N, 3, 3) its rotation; turn : (N, 3, 3) the object's
    place     : (N, 3) metres, the object's canonical origin from the pelvis
    spot      : (N, 2) crop units, where that origin is in the picture
    touch     : (N, 5) float, 1 where a part of TOUCHING is nearer to the object than CONTACT
    masks     : (N, 28, 28) int64, NOTHING, PERSON or OBJECT
    """

    joints: Tensor
    pixels: Tensor
    pelvis: Tensor
    turn: Tensor
    place: Tensor
    spot: Tensor
    touch: Tensor
    masks: Tensor

    def __len__(self) -> int:
        return len(self.joints)

    def rows(self, chosen: Tensor) -> Labels:
        return Labels(**{field.name: getattr(self, field.name)[chosen] for field in fields(self)})


def labels_of(interactions: Interactions, camera: Array, masks: Array) -> Labels:
    """Labels of interactions seen by these cameras (N, 3), with these masks (N, 112, 112), both of Views."""
    turn = rotation_from_axis_angle(interactions.camera_rotation)
    joints, points = (np.concatenate(parts) for parts in zip(*_posed(interactions), strict=True))
    placed = rotation_from_axis_angle(interactions.object_rotation)
    touch = _touch(interactions, points, placed)

    def seen(world: Array) -> Array:
        return world @ turn.transpose(0, 2, 1) + interactions.camera_translation[:, None]

    def pixels(points: Array) -> Array:
        return camera[:, None, :1] * points[..., :2] / np.maximum(points[..., 2:], 0.1) + camera[:, None, 1:]

    joints, origin = seen(joints), seen(interactions.object_translation[:, None])
    values = {
        "joints": joints - joints[:, :1], "pixels": pixels(joints), "place": (origin - joints[:, :1])[:, 0],
        "pelvis": turn @ rotation_from_axis_angle(interactions.rotation), "turn": turn @ placed,
        "spot": pixels(origin)[:, 0], "touch": touch,
    }
    found = {name: torch.from_numpy(np.asarray(value, np.float32)) for name, value in values.items()}
    return Labels(**found, masks=torch.from_numpy(coarse(masks).astype(np.int64)))


def coarse(masks: Array, side: int = 4) -> Array:
    """(N, H, W) masks -> (N, H / side, W / side): the person or the object if one has a third of the cell."""
    cells = masks.reshape(len(masks), masks.shape[1] // side, side, masks.shape[2] // side, side)
    person, object = ((cells == value).sum((2, 4)) for value in (PERSON, OBJECT))
    return np.where(3 * np.maximum(person, object) < side * side, 0, np.where(person >= object, PERSON, OBJECT))


def mirrored(image: Tensor, labels: Labels, flip: Tensor) -> tuple[Tensor, Labels]:
    """Pictures (B, 3, H, W) and labels, those of flip (B,) bool as seen in a mirror."""
    sign = torch.tensor([-1.0, 1.0, 1.0])
    other = replace(
        labels, joints=labels.joints[:, _OTHER] * sign, pixels=labels.pixels[:, _OTHER] * sign[:2],
        pelvis=sign[:, None] * labels.pelvis * sign, turn=sign[:, None] * labels.turn * sign,
        place=labels.place * sign, spot=labels.spot * sign[:2], touch=labels.touch[:, _OTHER_PART],
        masks=labels.masks.flip(-1))

    def chosen(plain: Tensor, turned: Tensor) -> Tensor:
        return torch.where(flip.reshape(-1, *[1] * (plain.dim() - 1)), turned, plain)

    names = (field.name for field in fields(labels))
    return (chosen(image, image.flip(-1)),
            Labels(**{name: chosen(getattr(labels, name), getattr(other, name)) for name in names}))


def _posed(interactions: Interactions) -> Iterator[tuple[Array, Array]]:
    """Joints (B, 22, 3) and the points of TOUCHING (B, P, 3) of some interactions at a time, in the world."""
    body = default_body()
    small = restrict(body, np.concatenate(_points()))
    for start in range(0, len(interactions), AT_ONCE):
        now = interactions.take(np.arange(start, min(start + AT_ONCE, len(interactions))))
        axis_angle = np.zeros((len(now), 55, 3), np.float32)
        axis_angle[:, 0], axis_angle[:, 1:22] = now.rotation, now.body_pose
        axis_angle[:, 25:40] = now.left_hand_pose + body.hand_mean_left
        axis_angle[:, 40:55] = now.right_hand_pose + body.hand_mean_right
        points, joints = pose_batch(small, rotation_from_axis_angle(axis_angle), now.betas,
                                    np.zeros((1, 10), np.float32), now.translation)
        yield joints[:, :POSED], points


def _points() -> list[Array]:
    """Of each part of TOUCHING, its vertices of the default body."""
    return [np.unique(np.concatenate([regions()[name].points for name in names])) for names in TOUCHING.values()]


def _touch(interactions: Interactions, points: Array, turn: Array) -> Array:
    """(N, 5): which parts are near the object; points (N, P, 3) and the object's rotation (N, 3, 3) in the world."""
    local = (points - interactions.object_translation[:, None]) @ turn
    gap = np.empty(local.shape[:2], np.float32)
    for instance in np.unique(interactions.instance):
        mine = np.flatnonzero(interactions.instance == instance)
        mesh = interactions.object_model(int(mine[0])).mesh
        gap[mine] = distance(local[mine].reshape(-1, 3), mesh).reshape(len(mine), -1)
    bounds = np.cumsum([0, *(len(part) for part in _points())])
    return np.stack([gap[:, a:b].min(1) < CONTACT for a, b in pairwise(bounds)], 1)
