"""The reference of LEXIS-Flow's numbers: a start, or without one what landmarks and mask give in closed form."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from lexis_core.body import default_body
from lexis_core.learn.flow_net import FlowParams
from lexis_core.learn.flow_state import Reference, States, placement
from lexis_core.learn.kinematics import rotation_of, sixd_from_rotation
from lexis_core.learn.net import LexisNet
from lexis_core.learn.observed import Observed
from lexis_core.learn.starts import start_errors
from lexis_core.learn.surface import Surface, landmark_surface

TRUNK = (0, 7, 8, 11, 12, 23, 24)
LEFT_HIP, RIGHT_HIP = 23, 24


def codes(net: LexisNet, states: States, f_o: Tensor, quantised: bool = True) -> Tensor:
    """(B, 16, 128) the codes of these states, the action unknown."""
    count = states.pelvis.shape[0]  # len() would fix the batch in an exported graph
    action = torch.full((count,), net.p.actions)
    z = net.encode(sixd_from_rotation(states.theta), f_o, action, placement(states), torch.ones(count) > 0)
    return net.quantiser(z)[0] if quantised else z


def reference_of(net: LexisNet, seen: Observed, f_o: Tensor, guess: States | None, has: Tensor, yaw: Tensor,
                 p: FlowParams) -> Reference:
    """The start where there is one (has (B,) bool), else the closed form with the object turned by yaw (B,)."""
    without = reference_without_start(seen, yaw, (p.tokens, p.code_width))
    if guess is None:
        return without
    tokens = codes(net, guess, f_o, quantised=False)
    mixed = (torch.where(has.reshape(-1, *[1] * (a.ndim - 1)), a, b)
             for a, b in zip((*guess, tokens), (*without.states, without.tokens), strict=True))
    *states, tokens = mixed
    return Reference(States(*states), has, tokens)


@cache
def landmark_points() -> tuple[Surface, Tensor]:
    return landmark_surface(default_body())


def reference_without_start(seen: Observed, yaw: Tensor, tokens: tuple[int, int],
                            marks: tuple[Surface, Tensor] | None = None) -> Reference:
    """Where body and object are by landmarks and mask alone; yaw (B,) radians is how the object is turned.

    marks : the landmarks of another body than the default one, as landmark_surface gives them

    The trunk's landmarks turn the body (Kabsch), the rays through all of them place it (least squares); the object
    stands upright where its mask's middle is, as deep as the pelvis.
    """
    surface, which = marks or landmark_points()
    count = len(yaw)
    trunk = [int((which == k).nonzero()) for k in TRUNK]
    hips = [int((which == k).nonzero()) for k in (LEFT_HIP, RIGHT_HIP)]
    rest = surface.template[trunk]
    world = seen.landmarks_world[:, list(TRUNK)]
    rotation, scale = _aligned(rest - rest.mean(0), world - world.mean(1, keepdim=True))
    weight = seen.confidence.clamp(min=0.01)
    middle = _placed(seen.landmarks_world / scale[:, None, None], (seen.landmarks - seen.camera[:, None, 1:])
                     / seen.camera[:, None, :1], weight)
    pelvis = middle + (rotation @ (surface.joints[0] - surface.template[hips].mean(0))[:, None])[..., 0]
    pelvis = torch.cat([pelvis[:, :2], pelvis[:, 2:].clamp(min=0.3)], -1)
    aim = torch.where(seen.seen[:, 3:] > 0, seen.pixels.mean(1), seen.landmarks[:, [LEFT_HIP, RIGHT_HIP]].mean(1))
    ray = torch.cat([(aim - seen.camera[:, 1:]) / seen.camera[:, :1], torch.ones(count, 1)], -1)
    cosine, sine, zero, one = yaw.cos(), yaw.sin(), torch.zeros_like(yaw), torch.ones_like(yaw)
    turn = torch.stack([cosine, zero, sine, zero, -one, zero, sine, zero, -cosine], -1).reshape(-1, 3, 3)
    theta = rotation_of(start_errors().mean["theta"]).expand(count, 21, 3, 3)
    states = States(theta, rotation, pelvis, torch.zeros(count, 10), turn, ray * pelvis[:, 2:])
    return Reference(states, torch.zeros(count, dtype=torch.bool), torch.zeros(count, *tokens))


def _aligned(rest: Tensor, world: Tensor) -> tuple[Tensor, Tensor]:
    """Rotations (B, 3, 3) and scales (B,) that bring rest (K, 3) nearest to world (B, K, 3), both about their mean."""
    u, s, vt = torch.linalg.svd(world.transpose(1, 2) @ rest)
    sign = torch.ones_like(s)
    sign[:, 2] = torch.det(u @ vt).sign()
    return (u * sign[:, None]) @ vt, (s * sign).sum(-1) / rest.square().sum()


def _placed(points: Tensor, rays: Tensor, weight: Tensor) -> Tensor:
    """(B, 3) translations that put points (B, K, 3) on rays (B, K, 2) = x / z, y / z: linear least squares."""
    one, none = torch.ones_like(weight), torch.zeros_like(weight)
    rows = torch.cat([torch.stack([one, none, -rays[..., 0]], -1), torch.stack([none, one, -rays[..., 1]], -1)], 1)
    right = torch.cat([rays[..., k] * points[..., 2] - points[..., k] for k in (0, 1)], 1)
    weight = torch.cat([weight, weight], 1)[..., None]
    a, right = rows * weight, right[..., None] * weight
    return torch.linalg.solve(a.transpose(1, 2) @ a + 1e-6 * torch.eye(3), a.transpose(1, 2) @ right)[..., 0]
