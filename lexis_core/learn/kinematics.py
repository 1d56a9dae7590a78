"""Rotations and joint positions in torch, batched and differentiable. The numpy twins are in geometry and body."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from lexis_core.body import default_body
from lexis_core.body.names import JOINTS, PARENTS, POSED

_SWAPPED = tuple(JOINTS.index(name.replace("left", "?").replace("right", "left").replace("?", "right")) - 1
                 for name in JOINTS[1:POSED])


def _ancestors() -> tuple[list[int], ...]:
    """Of each of the 22 joints its parent, its ancestor 2 above, 4 above, ...; the pelvis where there is none."""
    above = [max(parent, 0) for parent in PARENTS[:POSED]]
    found = []
    while any(above):
        found.append(above)
        above = [above[a] for a in above]
    return tuple(found)


_ANCESTORS = _ancestors()


def sixd_from_rotation(rotation: Tensor) -> Tensor:
    """(..., 3, 3) -> (..., 6): the first two columns (Zhou et al. 2019)."""
    return torch.cat([rotation[..., 0], rotation[..., 1]], -1)


def rotation_from_sixd(sixd: Tensor) -> Tensor:
    """(..., 6) -> (..., 3, 3) by Gram-Schmidt (Zhou et al. 2019)."""
    x = functional.normalize(sixd[..., :3], dim=-1)
    y = sixd[..., 3:] - (x * sixd[..., 3:]).sum(-1, keepdim=True) * x
    y = functional.normalize(y, dim=-1)
    return torch.stack([x, y, torch.linalg.cross(x, y, dim=-1)], -1)


def rotation_of(vector: Tensor) -> Tensor:
    """Rotation vectors (..., 3) in radians -> (..., 3, 3), Rodrigues' formula; exact and smooth at zero by sinc."""
    angle = torch.linalg.vector_norm(vector, dim=-1)[..., None, None]
    x, y, z = vector.unbind(-1)
    none = torch.zeros_like(x)
    cross = torch.stack([none, -z, y, z, none, -x, -y, x, none], -1).unflatten(-1, (3, 3))
    half = torch.sinc(angle / (2 * torch.pi))
    return torch.eye(3, dtype=vector.dtype, device=vector.device) + torch.sinc(angle / torch.pi) * cross + (
        0.5 * half * half * (cross @ cross))


def skeleton() -> Tensor:
    """(22, 3) metres: the default body's rest joints, the pelvis at the origin."""
    joints = default_body().joint_template[:POSED]
    return torch.from_numpy(np.asarray(joints - joints[0], np.float32))


def joint_positions(rotation: Tensor, rest: Tensor) -> Tensor:
    """Local rotations of joints 1..21 (B, 21, 3, 3), rest joints (22, 3) -> joints (B, 22, 3) about a still pelvis."""
    return turns_and_places(rotation, rest)[1]


def turns_and_places(rotation: Tensor, rest: Tensor) -> tuple[Tensor, Tensor]:
    """Rotations (B, 22, 3, 3) and places (B, 22, 3) in the pelvis's frame.

    rotation : (B, 21, 3, 3) local rotations of joints 1..21; rest : (22, 3) or (B, 22, 3) rest joints, the pelvis at 0

    Each joint's motion in its parent's frame is multiplied by its parent's, the product by that of the joint 2 above,
    then 4 above: the longest chain of 7 takes three products, not 7.
    """
    count = rotation.shape[0]  # len() would fix the batch in an exported graph
    rest = rest.expand(count, POSED, 3)
    bone = (rest[:, 1:] - rest[:, list(PARENTS[1:POSED])])[..., None]
    still = torch.eye(4, dtype=rotation.dtype, device=rotation.device)
    motion = torch.cat([torch.cat([rotation, bone], -1), still[3:].expand(count, POSED - 1, 1, 4)], -2)
    motion = torch.cat([still.expand(count, 1, 4, 4), motion], 1)
    for above in _ANCESTORS:
        motion = motion[:, above] @ motion
    return motion[..., :3, :3], motion[..., :3, 3] + rest[:, :1]


def mirrored(rotation: Tensor) -> Tensor:
    """Local rotations (..., 21, 3, 3) of the pose seen in a mirror: left and right exchanged, x turned about."""
    flip = torch.tensor([-1.0, 1.0, 1.0], dtype=rotation.dtype, device=rotation.device)
    return (flip[:, None] * rotation * flip)[..., _SWAPPED, :, :]


def swapped_sides(values: Tensor) -> Tensor:
    """One row of values for each of joints 1..21 (..., 21, C), left and right joints exchanged."""
    return values[..., _SWAPPED, :]
