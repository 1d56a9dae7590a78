"""From a plan to a start: a jittered posture, chosen places to touch, and the object put roughly where it belongs."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from lexis_core.body import default_body
from lexis_core.geometry import axis_angle_from_rotation, rotation_from_axis_angle
from lexis_core.synthetic import hands, poses, solids
from lexis_core.synthetic.plan import Plan, Touch
from lexis_core.synthetic.regions import regions, solver_points
from lexis_core.synthetic.skin import Skin

Array = np.ndarray

TOUCHES = 6  # at most, of one interaction
LYING = ("baseball_bat", "broom", "guitar", "hammer", "ladder", "tennis_racket", "umbrella")  # when nobody holds them
FLAT_HAND = 2.0  # metres, the radius of a surface that is as good as flat
LOWEST_SEAT, HIGHEST_SEAT = 0.33, 0.56  # metres, of seats with the feet on the floor; from higher ones they hang
JITTER = 0.06  # radians
REACH = (0.03, 0.15)  # metres between a reaching hand and the thing


@dataclass(frozen=True)
class Contact:
    """What the solver brings together: a region of the body and a place on the object, canonical frame."""

    region: str
    touch: Touch
    spot: solids.Spot
    gap: float = 0.0


@dataclass(frozen=True)
class Start:
    """An interaction before solving. The person heads for +z; the floor is y = 0.

    hands : (30, 3) added to the mean hand; turn (3, 3), place (3,) of the object
    shift : (3,) translation of the body, SMPL-X's sense
    """

    plan: Plan
    solid: solids.Solid
    betas: Array
    pose: poses.Pose
    hands: Array
    contacts: tuple[Contact, ...]
    turn: Array
    place: Array
    shift: Array
    height: float


def draft(plan: Plan, solid: solids.Solid, rng: np.random.Generator, captured: poses.Captured | None) -> Start | None:
    """Choose posture, hands and places to touch; None when the object has no such place."""
    mirror = rng.random() < 0.5 and plan.mirror
    yaw = np.radians(rng.choice(plan.yaw) + rng.uniform(-plan.turn, plan.turn)) if plan.yaw else 0.0
    turn = rotation_from_axis_angle(np.array([0, yaw, 0]))
    square = rotation_from_axis_angle(np.array([0, np.radians(90) * np.round(yaw / np.radians(90)), 0]))
    if not plan.touches and solid.model.category in LYING:
        turn = turn @ rotation_from_axis_angle(np.array([np.pi / 2, 0, 0]))
    touches = [_mirrored(t) if mirror else t for t in plan.touches if rng.random() < t.chance]
    contacts = _contacts(touches, solid, square if plan.turn < 20 else turn, rng)
    if contacts is None or (plan.reach and min(c.spot.point[1] for c in contacts) - solid.low[1] < plan.reach):
        return None
    if contacts and contacts[0].region == "seat" and not plan.lay and plan.feet:
        seat = contacts[0].spot.point[1] - solid.low[1]
        if seat < LOWEST_SEAT or (seat > HIGHEST_SEAT and solid.model.category == "yoga_ball"):
            return None
        plan = replace(plan, feet=bool(seat < HIGHEST_SEAT))
    pose = _posture(plan, rng, captured)
    pose = pose.mirrored() if mirror else pose
    fingers = list(hands.relaxed(rng))
    for contact in contacts:
        for k, side in enumerate(("left", "right")):
            if contact.region in (f"{side}_palm", f"{side}_hand"):
                fingers[k] = hands.grasp(_hold_radius(contact, solid), side == "left")
    betas = np.clip(rng.normal(0, 0.8, 10), -2, 2).astype(np.float16).astype(np.float32)
    closed = np.concatenate(fingers).astype(np.float16).astype(np.float32)
    return Start(plan, solid, betas, pose, closed, tuple(contacts), turn, np.zeros(3), np.zeros(3),
                 rng.uniform(*plan.raised))


def _mirrored(touch: Touch) -> Touch:
    side = touch.region.replace("left", "RIGHT").replace("right", "left").replace("RIGHT", "right")
    return replace(touch, region=side, facing=(-touch.facing[0], *touch.facing[1:]),
                   low=(1 - touch.high[0], *touch.low[1:]), high=(1 - touch.low[0], *touch.high[1:]))


def _hold_radius(contact: Contact, solid: solids.Solid) -> float:
    if contact.touch.kind == "grip":
        return contact.spot.radius
    if contact.touch.kind == "reach":
        return 0.05
    # rounds bend the hand: a ball by its size, anything else is flat
    round_things = ("ball", "yoga_ball", "trash_bin", "plant", "yoga_mat", "basket")
    return float(np.ptp(solid.vertices[:, 0])) / 2 if solid.model.category in round_things else FLAT_HAND


def _contacts(touches: list[Touch], solid: solids.Solid, turn: Array, rng) -> list[Contact] | None:
    found: list[Contact] = []
    for touch in touches:
        low, high = np.array(touch.low), np.array(touch.high)
        if touch.kind == "grip":
            spots = solids.grips(solid, touch.parts)
            if not spots:
                return None
            places = np.stack([s.point for s in spots]) @ turn.T
            extent = np.maximum(np.ptp(places, axis=0), 0.02)
            share = (places - places.min(0)) / extent
            spots = [s for s, at in zip(spots, share, strict=True) if ((at >= low - 1e-6) & (at <= high + 1e-6)).all()]
        else:
            spots = solids.spots(solid, touch.parts, turn, touch.facing, low, high, touch.level)
        if not spots:
            return None
        twin = [c for c in found if c.touch.kind == touch.kind and c.touch.parts == touch.parts and _twins(c, touch)]
        places = np.stack([s.point for s in spots]) @ turn.T
        if twin:
            # the other hand goes where the first one's mirror image would
            aim = (turn @ twin[0].spot.point) * [-1, 1, 1]
            pick = int(((places - aim) ** 2).sum(1).argmin())
        else:
            pick = int(rng.integers(len(spots)))
        found.append(Contact(touch.region, touch, spots[pick], rng.uniform(*REACH) if touch.kind == "reach" else 0.0))
    return found


def _twins(contact: Contact, touch: Touch) -> bool:
    sides = {contact.region.split("_")[0], touch.region.split("_")[0]}
    same_height = contact.touch.low[1:] == touch.low[1:]
    return sides == {"left", "right"} and same_height and contact.region.split("_")[1:] == touch.region.split("_")[1:]


def _posture(plan: Plan, rng, captured: poses.Captured | None) -> poses.Pose:
    words = [w for w in plan.legs if captured is not None or not w.startswith("cmu:")]
    legs, arms = str(rng.choice(words)), str(rng.choice(plan.arms))
    lean, bend = rng.uniform(*plan.lean), rng.uniform(*plan.bend)
    twist, nod = rng.uniform(*plan.twist), rng.uniform(-5, 20)
    keyed = arms if arms != "cmu" else "swinging"
    pose = captured.draw(legs[4:], rng) if legs.startswith("cmu:") else None
    if pose is not None:
        body = pose if arms == "cmu" else poses.with_arms(pose, poses.key_pose("stand", keyed))
    elif plan.lay:
        body = poses.lying(legs, keyed, plan.lay == "up", rng.uniform(8, 35))
    else:
        body = poses.key_pose(legs, keyed, lean, bend, twist, nod)
    shaken = body.body_pose + rng.normal(0, JITTER, (21, 3))
    return poses.Pose(body.rotation, shaken)


def solver_skin() -> Skin:
    return Skin(default_body(), solver_points()[0])


def place(starts: list[Start], skin: Skin, rng: np.random.Generator) -> list[Start]:
    """Stand the bodies on the floor and bring bodies and objects together by their touches."""
    with torch.no_grad():
        rest, joints = skin.shaped(_stack([s.betas for s in starts]))
        points, joints, turns = skin(
            rest, joints, _stack([axis_angle_from_rotation(s.pose.rotation) for s in starts]),
            _stack([s.pose.body_pose for s in starts]), _stack([s.hands for s in starts]) + skin.hand_mean,
            torch.zeros(len(starts), 3))
    points, joints, turns = (t.numpy().astype(np.float64) for t in (points, joints, turns))
    return [_placed(s, p, j, r, rng) for s, p, j, r in zip(starts, points, joints, turns, strict=True)]


def _stack(rows) -> torch.Tensor:
    return torch.tensor(np.stack(rows), dtype=torch.float32)


def _placed(start: Start, points: Array, joints: Array, turns: Array, rng) -> Start:
    _, where = solver_points()
    plan, lift = start.plan, -points[:, 1].min()
    sites, axes = [], []
    for contact in start.contacts:
        wrist = regions()[contact.region].joint
        if contact.touch.kind == "grip":
            left = contact.region.startswith("left")
            sites.append(joints[wrist] + turns[wrist] @ hands.grip_centre(contact.spot.radius, left))
        else:
            sites.append(points[where[contact.region]].mean(0))
        axes.append(turns[wrist][:, 2])
    turn = start.turn
    if plan.along:
        own = start.contacts[0].spot.axis
        own = own if own[1] >= 0 else -own
        turn = rotation_from_axis_angle(axes[0] * rng.uniform(-np.pi, np.pi)) @ _shortest(own, axes[0])
    elif plan.base == "held" and start.contacts and start.contacts[0].touch.kind == "grip":
        turn = _along_hand(turn, start.contacts, axes[0])
    low = (start.solid.vertices @ turn.T)[:, 1].min()
    if not start.contacts:
        return _passing(start, turn, low, lift, points, rng)
    tight = [k for k, c in enumerate(start.contacts) if c.touch.slide < 0.2]
    goals = np.stack([turn @ (c.spot.point + c.gap * c.spot.normal) for c in start.contacts])[tight]
    sites = np.stack(sites)[tight]
    if plan.base == "held":
        shift = np.array([0, lift, 0])
        at = (sites + shift - goals).mean(0)
        least = points[:, 1].max() + lift + 0.01 if plan.arms[0] == "overhead" else 0.01
        at[1] = max(at[1], least - low)
        return replace(start, turn=turn, place=at, shift=shift)
    at = np.array([0, -low + start.height, 0])
    shift = (goals + at - sites).mean(0)
    if plan.feet:
        shift[1] = lift
    return replace(start, turn=turn, place=at, shift=shift)


def _passing(start: Start, turn: Array, low: float, lift: float, points: Array, rng) -> Start:
    """Body and object a random way apart, without touching."""
    flat = (start.solid.vertices @ turn.T)[:, [0, 2]]
    angle = rng.uniform(-np.pi, np.pi)
    way = np.array([np.sin(angle), np.cos(angle)])
    apart = (flat @ way).max() - (points[:, [0, 2]] @ way).min() + rng.uniform(0.12, 0.9)
    side = rng.uniform(-0.3, 0.3) * np.array([way[1], -way[0]])
    x, z = apart * way + side
    return replace(start, turn=turn, place=np.array([0, -low, 0]), shift=np.array([x, lift, z]))


def _shortest(a: Array, b: Array) -> Array:
    """The smallest rotation that takes unit a onto unit b."""
    axis, cosine = np.cross(a, b), float(a @ b)
    sine = np.linalg.norm(axis)
    if sine < 1e-9:
        return np.eye(3) if cosine > 0 else rotation_from_axis_angle(np.pi * np.cross(a, np.eye(3)[np.abs(a).argmin()]))
    return rotation_from_axis_angle(axis / sine * np.arctan2(sine, cosine))


def _along_hand(turn: Array, contacts: tuple[Contact, ...], axis: Array) -> Array:
    """An upright object turned about y so that the handle's axis runs across the palm, where it is not upright."""
    handle = turn @ contacts[0].spot.axis
    if abs(handle[1]) > 0.8 or len(contacts) > 1 or np.hypot(axis[0], axis[2]) < 0.4:
        return turn
    angles = [np.arctan2(v[0], v[2]) for v in (handle, axis)]
    angle = (angles[1] - angles[0] + np.pi / 2) % np.pi - np.pi / 2
    return rotation_from_axis_angle(np.array([0, angle, 0])) @ turn

