"""Rotations and joint positions in torch, batched and differentiable. The numpy twins are in geometry and body."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from lexis_core.body import default_body
from lexis_core.body.names import JOINTS, PARENTS

POSED = 22  # pelvis and the 21 joints of theta
_SWAPPED = tuple(JOINTS.index(name.replace("left", "?").replace("right", "left").replace("?", "right")) - 1
                 for name in JOINTS[1:POSED])


def sixd_from_rotation(rotation: Tensor) -> Tensor:
    """(..., 3, 3) -> (..., 6): the first two columns (Zhou et al. 2019)."""
    return torch.cat([rotation[..., 0], rotation[..., 1]], -1)


def rotation_from_sixd(sixd: Tensor) -> Tensor:
    """(..., 6) -> (..., 3, 3) by Gram-Schmidt (Zhou et al. 2019)."""
    x = functional.normalize(sixd[..., :3], dim=-1)
    y = sixd[..., 3:] - (x * sixd[..., 3:]).sum(-1, keepdim=True) * x
    y = functional.normalize(y, dim=-1)
    return torch.stack([x, y, torch.linalg.cross(x, y, dim=-1)], -1)


def skeleton() -> Tensor:
    """(22, 3) metres: the default body's rest joints, the pelvis at the origin."""
    joints = default_body().joint_template[:POSED]
    return torch.from_numpy(np.asarray(joints - joints[0], np.float32))


def joint_positions(rotation: Tensor, rest: Tensor) -> Tensor:
    """Local rotations of joints 1..21 (B, 21, 3, 3), rest joints (22, 3) -> joints (B, 22, 3) about a still pelvis."""
    turn = [torch.eye(3, dtype=rotation.dtype, device=rotation.device).expand(len(rotation), 3, 3)]
    place = [rest[0].expand(len(rotation), 3)]
    for joint in range(1, POSED):
        parent = PARENTS[joint]
        place.append(place[parent] + turn[parent] @ (rest[joint] - rest[parent]))
        turn.append(turn[parent] @ rotation[:, joint - 1])
    return torch.stack(place, 1)


def mirrored(rotation: Tensor) -> Tensor:
    """Local rotations (..., 21, 3, 3) of the pose seen in a mirror: left and right exchanged, x turned about."""
    flip = torch.tensor([-1.0, 1.0, 1.0], dtype=rotation.dtype, device=rotation.device)
    return (flip[:, None] * rotation * flip)[..., _SWAPPED, :, :]


def swapped_sides(values: Tensor) -> Tensor:
    """One row of values for each of joints 1..21 (..., 21, C), left and right joints exchanged."""
    return values[..., _SWAPPED, :]
