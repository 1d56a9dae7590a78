"""The contact solver: batched descent over posture, place and object that brings regions and places together.

Adam over the body's axis-angles, the root and a held object. It pulls touches to zero distance with facing normals,
and pushes out what is inside the object, below the floor, beyond the joints' limits or inside the body itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from lexis_core.body import default_body
from lexis_core.body.names import JOINTS
from lexis_core.geometry import axis_angle_from_rotation
from lexis_core.initialise.joint_limits import HIGH, LOW, SOLVED
from lexis_core.synthetic import hands
from lexis_core.synthetic.grid import GridDistance
from lexis_core.synthetic.regions import FINGERS, POINTS, regions, solver_points
from lexis_core.synthetic.setup import TOUCHES, Start
from lexis_core.synthetic.skin import Skin, rotation
from lexis_core.synthetic.solids import FINER

Array = np.ndarray
Tensor = torch.Tensor

STEPS = 100
CLEAR = 0.007  # metres the sparse points keep off the object, for the skin between them
CLEAR_OF_TUBES = 0.012  # the same beside thin parts, which pass between the points
LIMITED = np.array(SOLVED) - 1
NUMBER = {name: k for k, name in enumerate(JOINTS)}
FEET = (JOINTS.index("left_ankle"), JOINTS.index("right_ankle"))
SKIN_GIVES = 0.003  # metres flesh yields before it counts as penetration
SUPPORT = 0.10  # metres the body's centre may leave the middle of its feet, where nothing else holds it
KINDS = {"none": 0, "flat": 1, "grip": 2, "reach": 3}
# what the posture costs to change, by joint 1..21
PRIOR = torch.tensor([1.0 if "spine" in n or n in ("neck", "head") else 0.5 if "foot" in n else 0.3 if "collar" in n
                      else 0.1 if "wrist" in n else 0.05 for n in JOINTS[1:22]])
LIMB_POINTS = 48
SURFACE_POINTS = 140  # of the object, that keep out of the body
# what of the body is certainly flesh: (joint, joint, radius in metres)
FLESH = (("pelvis", "spine3", 0.10), ("spine3", "neck", 0.075), ("head", "head", 0.075),
         *((f"{side}_{a}", f"{side}_{b}", radius) for side in ("left", "right")
           for a, b, radius in (("hip", "knee", 0.062), ("knee", "ankle", 0.042), ("shoulder", "elbow", 0.038),
                                ("elbow", "wrist", 0.028), ("ankle", "foot", 0.028))))
# hand, wrist and forearm keep out of torso, thighs and head: (joint, joint, radius in metres)
CAPSULES = (("pelvis", "spine3", 0.135), ("spine3", "neck", 0.12), ("left_hip", "left_knee", 0.085),
            ("right_hip", "right_knee", 0.085), ("head", "head", 0.14))


@dataclass(frozen=True)
class Solved:
    """Results of a batch: body_pose (B, 21, 3), root (B, 3), shift (B, 3), turn (B, 3) axis-angle and place (B, 3)."""

    body_pose: Array
    root: Array
    shift: Array
    turn: Array
    place: Array


class _Batch:
    """Everything of a list of starts that stays fixed while solving, as tensors."""

    def __init__(self, starts: list[Start]):
        def stack(rows):
            return torch.tensor(np.stack(rows), dtype=torch.float32)

        count = len(starts)
        _, where = solver_points()
        self.betas, self.hands = stack([s.betas for s in starts]), stack([s.hands for s in starts])
        self.pose = stack([s.pose.body_pose for s in starts])
        self.root = stack([axis_angle_from_rotation(s.pose.rotation) for s in starts])
        self.shift, self.turn, self.place = (stack([getattr(s, n) for s in starts]) for n in ("shift", "turn", "place"))
        self.held = torch.tensor([s.plan.base == "held" for s in starts])
        self.upright = torch.tensor([0.0 if s.plan.along else s.plan.upright for s in starts])
        self.feet = torch.tensor([s.plan.feet for s in starts])
        sizes = np.array([len(s.solid.values) for s in starts])
        self.grids = (np.concatenate([s.solid.values for s in starts]), np.cumsum(sizes) - sizes,
                      np.stack([s.solid.origin for s in starts]), np.array([s.solid.cell for s in starts]),
                      np.stack([s.solid.dims for s in starts]))
        self.corners = stack([_corners(s.solid.low, s.solid.high) for s in starts])
        self.kind = torch.zeros(count, TOUCHES, dtype=torch.long)
        self.ids = torch.zeros(count, TOUCHES, POINTS, dtype=torch.long)
        self.joint = torch.zeros(count, TOUCHES, dtype=torch.long)
        self.point, self.normal, self.axis, self.facing, self.grip = torch.zeros(5, count, TOUCHES, 3)
        self.slide, self.aim, self.signed = torch.zeros(3, count, TOUCHES)
        self.limb = torch.zeros(count, TOUCHES, LIMB_POINTS, dtype=torch.long)
        self.surface = stack([s.solid.points[_spread_rows(len(s.solid.points))] for s in starts])
        self.standing = torch.ones(count, 2)
        self.margin = torch.full((count, len(solver_points()[0])), CLEAR)
        self.margin[[s.solid.model.category in FINER for s in starts]] = CLEAR_OF_TUBES
        self.margin[:, np.concatenate([_LIMBS["left hand"], _LIMBS["right hand"]])] = 0.0
        self.watched = torch.ones(count, len(solver_points()[0]))
        for b, start in enumerate(starts):
            for c, contact in enumerate(start.contacts):
                region, touch = regions()[contact.region], contact.touch
                self.kind[b, c] = KINDS[touch.kind]
                self.ids[b, c] = torch.tensor(where[contact.region])
                self.joint[b, c] = region.joint
                self.limb[b, c] = torch.tensor(_limb_points(contact.region))
                self.point[b, c] = torch.tensor(contact.spot.point + contact.gap * contact.spot.normal)
                self.normal[b, c] = torch.tensor(contact.spot.normal)
                self.facing[b, c] = torch.tensor(region.normal)
                self.slide[b, c], self.aim[b, c] = touch.slide, touch.aim
                if contact.region in ("seat", "saddle"):
                    self.margin[b, _LIMBS["pelvis"]] = 0.0 if contact.region == "seat" else 0.003
                self.margin[b, where[contact.region]] = -SKIN_GIVES
                if region.joint in FEET:
                    self.standing[b, FEET.index(region.joint)] = 0.0
                if touch.kind == "grip":
                    axis = contact.spot.axis if contact.spot.axis[1] >= 0 else -contact.spot.axis
                    self.axis[b, c] = torch.tensor(axis)
                    self.grip[b, c] = torch.tensor(hands.grip_centre(contact.spot.radius,
                                                                     contact.region.startswith("left")))
                    self.signed[b, c] = float(touch.signed)
                    if contact.spot.radius < 1.2 * start.solid.cell:
                        self.watched[b, _hand_points(contact.region)] = 0.0
        self.kinds = {name: (self.kind == k).float() for name, k in KINDS.items()}


def _hand_points(region: str) -> Array:
    return _LIMBS[f"{region.split('_')[0]} hand"]


def _limb_points(region: str) -> Array:
    """Points of the whole hand, foot or pelvis that a region belongs to: they stay on their side of the surface."""
    side, _, rest = region.partition("_")
    limb = f"{side} hand" if rest in ("palm", "hand") else f"{side} foot" if rest in ("sole", "ball") else ""
    own = _LIMBS.get(limb)
    return np.resize(solver_points()[1][region] if own is None else own, LIMB_POINTS)


def _spread_rows(count: int) -> Array:
    return np.linspace(0, count - 1, SURFACE_POINTS).astype(int)


def _corners(low: Array, high: Array) -> Array:
    return np.stack(np.meshgrid(*zip(low, high, strict=True), indexing="ij"), -1).reshape(8, 3)


def _limbs() -> dict[str, Array]:
    main = np.array(JOINTS)[default_body().weights[solver_points()[0]].argmax(1)]
    found = {"pelvis": np.flatnonzero(np.isin(main, ["pelvis", "left_hip", "right_hip"]))}
    for side in ("left", "right"):
        fingers = [f"{side}_{finger}{k}" for finger in FINGERS for k in (1, 2, 3)]
        found[f"{side} hand"] = np.flatnonzero(np.isin(main, [f"{side}_wrist", *fingers]))
        found[f"{side} foot"] = np.flatnonzero(np.isin(main, [f"{side}_ankle", f"{side}_foot"]))
    return found


_LIMBS = _limbs()


def solve(starts: list[Start], skin: Skin, steps: int = STEPS) -> Solved:
    """Solve a batch of starts together. Deterministic on one thread."""
    batch = _Batch(starts)
    rest, rest_joints = skin.shaped(batch.betas)
    fingers = batch.hands + skin.hand_mean
    pose, root, shift = (t.clone().requires_grad_() for t in (batch.pose, batch.root, batch.shift))
    spin, place = torch.zeros(len(starts), 3, requires_grad=True), batch.place.clone().requires_grad_()
    held = batch.held.float()[:, None]
    optimiser = torch.optim.Adam([{"params": [pose], "lr": 0.02}, {"params": [root, spin], "lr": 0.012},
                                  {"params": [shift, place], "lr": 0.008}], fused=True)
    low, high = torch.tensor(LOW, dtype=torch.float32), torch.tensor(HIGH, dtype=torch.float32)
    for step in range(steps):
        share = step / steps
        for group, rate in zip(optimiser.param_groups, (0.02, 0.012, 0.008), strict=True):
            group["lr"] = rate * (1.0 if share < 0.5 else 2.2 * (1 - share) + 0.02)
        optimiser.zero_grad()
        points, joints, turns = skin(rest, rest_joints, root, pose, fingers, shift)
        turn = rotation(spin) @ batch.turn
        push = 0.5 + 5.5 * share**2
        loss = _touching(batch, points, joints, turns, turn, place, push)
        if step % 2:  # costs much and changes little from one step to the next
            surface = batch.surface @ turn.transpose(1, 2) + place[:, None]
            loss = loss + 60.0 * push * _in_flesh(surface, joints, turns)
        loss = loss + _standing(batch, points, turn, place) + 3.0 * _inside_body(joints, turns)
        limited = pose[:, LIMITED]
        excess = (low - limited).clamp(min=0) + (limited - high).clamp(min=0)
        loss = loss + 6.0 * (excess**2).sum((1, 2))
        loss = loss + 0.06 * (PRIOR * ((pose - batch.pose) ** 2).sum(-1)).sum(1)
        loss = loss + 0.6 * ((root - batch.root) ** 2).sum(1) + 0.05 * (spin**2).sum(1)
        loss.sum().backward()
        for value in (spin, place):
            value.grad *= held
        optimiser.step()
    body_pose = pose.detach().numpy().copy()
    body_pose[:, LIMITED] = np.clip(body_pose[:, LIMITED], LOW, HIGH)
    turns = (rotation(spin) @ batch.turn).detach().numpy()
    return Solved(body_pose, root.detach().numpy(), shift.detach().numpy(), axis_angle_from_rotation(turns),
                  place.detach().numpy())


def _touching(batch: _Batch, points, joints, turns, turn, place, push: float) -> Tensor:
    """Touches and penetration, in the object's frame."""
    rows = torch.arange(len(points))[:, None]
    local = (points - place[:, None]) @ turn
    distance = GridDistance.apply(local.contiguous(), *batch.grids)
    inside = (batch.margin - distance).clamp(min=0) * batch.watched
    loss = push * 100.0 * (inside**2).sum(1)
    # thin plates fall through the grid: the touching limb stays on the outer side of the place's plane
    limb = local[rows[..., None], batch.limb] - batch.point[:, :, None]
    under = (-(limb * batch.normal[:, :, None]).sum(-1) - SKIN_GIVES).clamp(0, 0.06)
    loss = loss + push * 90.0 * (batch.kinds["flat"] * (under**2).sum(-1)).sum(1)
    near = distance[rows[..., None], batch.ids]
    closest = near.abs().topk(POINTS // 2, largest=False).values
    at = local[rows[..., None], batch.ids].mean(2)
    turned = turn.transpose(1, 2)[:, None] @ turns[rows, batch.joint]
    off = at - batch.point
    along = (off * batch.normal).sum(-1, keepdim=True)
    astray = ((off - along * batch.normal).norm(dim=-1) - batch.slide).clamp(min=0)
    facing = 1 + ((turned @ batch.facing[..., None])[..., 0] * batch.normal).sum(-1)
    flat = 120.0 * (closest.clamp(max=0.3) ** 2).mean(-1) + 20.0 * astray**2 + 0.25 * batch.aim * facing
    grip = ((joints[rows, batch.joint] - place[:, None]) @ turn) + (turned @ batch.grip[..., None])[..., 0]
    cosine = (turned[..., 2] * batch.axis).sum(-1)
    aligned = torch.where(batch.signed > 0, 1 - cosine, 1 - cosine**2)
    closed = 90.0 * ((grip - batch.point) ** 2).sum(-1) + 0.35 * aligned
    reach = 30.0 * (off**2).sum(-1) + 0.1 * batch.aim * facing
    kinds = batch.kinds
    return loss + (kinds["flat"] * flat + kinds["grip"] * closed + kinds["reach"] * reach).sum(1)


def _standing(batch: _Batch, points: Tensor, turn: Tensor, place: Tensor) -> Tensor:
    """Nothing below the floor, feet on it, the body above its feet, a held object upright and not in the floor."""
    _, where = solver_points()
    loss = 60.0 * ((-points[..., 1]).clamp(min=0) ** 2).sum(1)
    soles = torch.stack([points[:, where[f"{side}_{part}"]] for side in ("left", "right") for part in ("sole", "ball")],
                        1)
    height = soles[..., 1]
    # a foot that starts flat stays flat, one on its ball stays on its ball, a lifted one is free
    flat = (height[:, 0::2].detach().amax(-1) < 0.06).float()
    ball = (height[:, 1::2].detach().amin(-1) < 0.05).float()
    down = 25.0 * (flat * (height[:, 0::2] ** 2).mean(-1) + ball * (height[:, 1::2].clamp(min=0.0) ** 2).mean(-1))
    lowest = points[..., 1].amin(1)
    middle = soles[:, 0::2].mean((1, 2))
    centre = points.mean(1)
    away = ((centre - middle)[:, [0, 2]].norm(dim=-1) - SUPPORT).clamp(min=0)
    loss = loss + batch.feet * ((batch.standing * down).sum(1) + 40.0 * lowest**2 + 2.0 * away**2)
    fallen = 1 - turn[:, 1, 1]
    bottom = ((batch.corners @ turn.transpose(1, 2) + place[:, None])[..., 1]).clamp(max=0)
    return loss + batch.held * (1.5 * batch.upright * fallen + 40.0 * (bottom**2).sum(1))


def _in_flesh(points: Tensor, joints: Tensor, turns: Tensor) -> Tensor:
    """How deep points of the object (B, Q, 3) are in the body's limbs, squared and summed."""
    first, second = (joints[:, [NUMBER[row[k]] for row in FLESH]] for k in (0, 1))
    head = [row[0] == "head" for row in FLESH].index(True)
    crown = torch.zeros(len(FLESH), 1)
    crown[head] = 0.07
    up = crown * turns[:, NUMBER["head"], :, 1][:, None]
    first, bone = first + up, second - first
    radius = torch.tensor([row[2] for row in FLESH])
    # squares and products of (points - first), without the array of all differences
    along = points @ bone.transpose(1, 2) - (first * bone).sum(-1)[:, None]
    far = (points**2).sum(-1)[..., None] + (first**2).sum(-1)[:, None] - 2 * (points @ first.transpose(1, 2))
    length = (bone**2).sum(-1)[:, None]
    t = (along / (length + 1e-9)).clamp(0, 1)
    gap = (far + t * (t * length - 2 * along)).clamp(min=1e-9).sqrt()
    return ((radius - gap).clamp(min=0) ** 2).sum((1, 2))


def _inside_body(joints: Tensor, turns: Tensor) -> Tensor:
    """How deep hands and forearms are in torso, thighs and head, squared."""
    number = NUMBER
    wrists, elbows = [number["left_wrist"], number["right_wrist"]], [number["left_elbow"], number["right_elbow"]]
    palm = torch.tensor(np.stack([hands.palm_centre(), hands.palm_centre() * [-1, 1, 1]]), dtype=torch.float32)
    palms = joints[:, wrists] + (turns[:, wrists] @ palm[..., None])[..., 0]
    forearm = 0.4 * joints[:, elbows] + 0.6 * joints[:, wrists]
    own = torch.cat([palms, joints[:, wrists], forearm], 1)
    loss = 0.0
    for a, b, radius in CAPSULES:
        start, end = joints[:, None, number[a]], joints[:, None, number[b]]
        if a == "head":
            start = end = start + 0.06 * turns[:, None, number[a], :, 1]
        bone = end - start
        t = (((own - start) * bone).sum(-1) / ((bone**2).sum(-1) + 1e-9)).clamp(0, 1)
        gap = ((own - start - t[..., None] * bone) ** 2).sum(-1).add(1e-9).sqrt()
        loss = loss + ((radius + 0.02 - gap).clamp(min=0) ** 2).sum(1)
    return loss

