"""Batches for LEXIS-Flow: what a picture shows, where body and object are, and a start with an expert's errors."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from lexis_core.body import default_body
from lexis_core.geometry import rotation_from_axis_angle
from lexis_core.interfield import CONTACT, outer
from lexis_core.learn.flow_net import UNKNOWN, FlowParams
from lexis_core.learn.flow_reference import codes, reference_of
from lexis_core.learn.flow_state import Reference, States
from lexis_core.learn.kinematics import mirrored
from lexis_core.learn.net import LexisNet
from lexis_core.learn.net_data import net_data, object_surface
from lexis_core.learn.observed import Observed, observed
from lexis_core.learn.starts import StartErrors, kind_of, start
from lexis_core.learn.views import views
from lexis_core.synthetic.states import SPLITS, Interactions, load

Array = np.ndarray

OBJECT_POINTS = 256  # of net_data's, far apart on the object's outside
MIRRORED_LANDMARKS = (0, 4, 5, 6, 1, 2, 3, *(k + 1 if k % 2 else k - 1 for k in range(7, 33)))


class FlowBatch(NamedTuple):
    """B pictures with their truth; scale (B,) as the network is told it. The InterField's points and distances are
    LEXIS-Net's (net_data), metres."""

    seen: Observed
    truth: States
    f_o: Tensor
    tokens: Tensor
    reference: Reference
    scale: Tensor
    body_points: Tensor
    body_distance: Tensor
    object_distance: Tensor


def true_states(interactions: Interactions) -> States:
    """Camera space, as float32 tensors."""
    model = default_body()
    rest = model.joint_template[0] + np.einsum("cs,ns->nc", model.joint_shape_dirs[0, :, :10], interactions.betas)
    turn = rotation_from_axis_angle(interactions.camera_rotation.astype(np.float64))

    def seen(points: Array) -> Array:
        return (turn @ points[..., None])[..., 0] + interactions.camera_translation

    arrays = (rotation_from_axis_angle(interactions.body_pose),
              turn @ rotation_from_axis_angle(interactions.rotation), seen(rest + interactions.translation),
              interactions.betas, turn @ rotation_from_axis_angle(interactions.object_rotation),
              seen(interactions.object_translation))
    return States(*(torch.from_numpy(np.ascontiguousarray(a, np.float32)) for a in arrays))


class FlowData:
    """One split of a states file, with its pictures' tokens made once by the frozen image encoder."""

    def __init__(self, states: str | Path, split: str, encoder, errors: StartErrors, processes: int = 2,
                 limit: int | None = None):
        interactions = load(states)
        rows = np.flatnonzero(interactions.split == SPLITS.index(split))[:limit]
        seen = views(states, processes=processes)
        fields = net_data(states, split, processes=processes)
        self.errors, interactions = errors, interactions.take(rows)
        self.interactions = interactions
        self.truth = true_states(interactions)
        self.masks, self.landmarks = seen.masks[rows], seen.landmarks[rows]
        self.landmarks_world, self.confidence = seen.landmarks_world[rows], seen.confidence[rows]
        self.camera = seen.camera[rows]
        self.image = encoded(encoder, seen.image, rows)
        self.instance = torch.from_numpy(np.asarray(fields.instance)[:limit])
        points = np.asarray(fields.object_points, np.float32)
        apart = np.zeros((len(points), OBJECT_POINTS), np.int64)
        for k in self.instance.unique().tolist():
            mesh, there, face = object_surface(interactions, k)
            apart[k], _ = outer(there, face, mesh, OBJECT_POINTS)
        self.object_points = torch.from_numpy(np.take_along_axis(points, apart[..., None], 1))
        self.body_rest = torch.from_numpy(np.asarray(fields.body_rest))
        self.body_distance = np.asarray(fields.body_distance)[:limit]
        self.object_distance = np.take_along_axis(np.asarray(fields.object_distance)[:limit],
                                                  apart[self.instance.numpy()], 1)
        touch = self.body_distance.min(1) < CONTACT
        self.kind = torch.tensor([kind_of(interactions.category(i), touch[i]) for i in range(len(touch))])

    def __len__(self) -> int:
        return len(self.instance)

    def observed(self, rows: Array, flip: Tensor | None = None) -> tuple[Observed, Tensor]:
        """What the pictures of these rows show, those of flip (B,) bool in a mirror; the mirror's sign (B, 1, 3)."""
        at = torch.from_numpy(rows)
        flip = torch.zeros(len(rows), dtype=torch.bool) if flip is None else flip
        sign = torch.ones(len(rows), 1, 3)
        sign[flip, 0, 0] = -1
        mirror = flip.numpy()
        masks = np.where(mirror[:, None, None], self.masks[rows][..., ::-1], self.masks[rows])
        swap = np.where(mirror[:, None], np.array(MIRRORED_LANDMARKS), np.arange(33))[..., None]
        marks, world = (np.take_along_axis(a[rows].astype(np.float32), swap, 1) for a in
                        (self.landmarks, self.landmarks_world))
        confidence = np.take_along_axis(self.confidence[rows], swap[..., 0], 1)
        way = sign[:, 0].numpy()
        camera = self.camera[rows] * np.stack([np.ones(len(rows)), way[:, 0], np.ones(len(rows))], 1)
        points = self.object_points[self.instance[at]] * sign
        seen = observed(self.image[at].float(), masks, marks * way[:, None, :2], world * way[:, None], confidence,
                        camera, points)
        seen.seen[flip, 0] = 0  # the frozen encoder has not seen the picture in a mirror
        return seen, sign

    def batch(self, rows: Array, net: LexisNet, p: FlowParams, *, mirror: float = 0.0, started: float = 1.0,
              largest: float = 1.0, dropped: float = 0.0) -> FlowBatch:
        """Rows as training sees them, by torch's random numbers.

        mirror  : share seen in a mirror; started : share with a start, whose errors are 0 .. largest times the expert's
        dropped : share from which image, masks or landmarks are each kept back
        """
        count, at = len(rows), torch.from_numpy(rows)
        flip = torch.rand(count) < mirror
        seen, sign = self.observed(rows, flip)
        truth = reflected(States(*(value[at] for value in self.truth)), flip)
        scale = largest * torch.rand(count)
        guess = start(truth, self.errors.draw(None, self.kind[at], scale), seen.focal)
        has = torch.rand(count) < started
        yaw = 2 * np.pi * torch.rand(count)
        with torch.no_grad():
            f_o = net.embed(seen.object_points)
            tokens = codes(net, truth, f_o)
            reference = reference_of(net, seen, f_o, guess, has, yaw, p)
        told = torch.where(torch.rand(count) < 0.5, scale, torch.full_like(scale, UNKNOWN))
        kept = (torch.rand(count, 3) >= dropped).float()
        seen.seen[:, :3] *= kept
        return FlowBatch(seen, truth, f_o, tokens, reference, told,
                         self.body_rest.expand(count, -1, -1) * sign,
                         torch.from_numpy(self.body_distance[rows].astype(np.float32)),
                         torch.from_numpy(self.object_distance[rows].astype(np.float32)))


def reflected(states: States, flip: Tensor) -> States:
    """Those of flip (B,) bool as a mirror shows them: x turned about, left and right limbs exchanged."""
    way = torch.ones(len(flip), 3)
    way[flip, 0] = -1
    both = way[:, :, None] * way[:, None]
    theta = torch.where(flip[:, None, None, None], mirrored(states.theta), states.theta)
    return States(theta, states.body_rotation * both, states.pelvis * way, states.betas,
                  states.object_rotation * both, states.object_position * way)


@torch.no_grad()
def encoded(encoder, pictures: Array, rows: Array) -> Tensor:
    """(N, T, C) float16 image tokens of pictures (.., 112, 112, 3) uint8."""
    pieces = []
    for begin in range(0, len(rows), 256):
        chunk = torch.from_numpy(np.ascontiguousarray(pictures[rows[begin:begin + 256]]))
        pieces.append(encoder(chunk.permute(0, 3, 1, 2).float() / 255).half())
    return torch.cat(pieces)
