"""How fingers close: a hand pose for every thickness of handle, found by closing the default hand on a cylinder.

The palm lies on the cylinder, the four fingers curl over it, the thumb comes round from the other side. Flat hands, for
box sides and table tops, are closed on a very thick cylinder. The poses found ship as a small table; to find them anew:

python -m lexis_core.synthetic.hands
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import torch

from lexis_core.body import default_body
from lexis_core.body.names import JOINTS
from lexis_core.synthetic.regions import FINGERS, regions, spread
from lexis_core.synthetic.skin import Skin

Array = np.ndarray

RADII = (0.006, 0.010, 0.015, 0.020, 0.028, 0.038, 0.050, 0.075, 0.12, 2.0)  # metres
TABLE = Path(__file__).parents[1] / "data" / "grasps.npy"
STEPS = 160
GAP = 0.001  # metres the palm keeps from the cylinder


@cache
def palm_centre() -> Array:
    """The middle of the left palm's skin relative to the wrist in the rest pose, (3,) metres."""
    model = default_body()
    palm = model.template[regions()["left_palm"].vertices] - model.joint_template[JOINTS.index("left_wrist")]
    knuckle = model.joint_template[JOINTS.index("left_middle1")] - model.joint_template[JOINTS.index("left_wrist")]
    return np.array([knuckle[0] - 0.012, np.percentile(palm[:, 1], 20), 0.5 * knuckle[2] + 0.002])


def grip_centre(radius: float, left: bool) -> Array:
    """Where the axis of a handle of this radius runs, relative to the wrist in the rest pose, (3,) metres."""
    centre = palm_centre() - [0, radius + GAP, 0]
    return centre if left else centre * [-1, 1, 1]


def grasp(radius: float, left: bool) -> Array:
    """(15, 3) float32 axis-angle added to the mean hand: closed round a handle of this radius (metres)."""
    radius = float(np.clip(radius, RADII[0], RADII[-1]))
    place = np.interp(np.log(radius), np.log(RADII), np.arange(len(RADII)))
    low = min(int(place), len(RADII) - 2)
    pose = (low + 1 - place) * _table()[low] + (place - low) * _table()[low + 1]
    return (pose if left else pose * [1, -1, -1]).astype(np.float32)


def relaxed(rng: np.random.Generator) -> tuple[Array, Array]:
    """A left and a right hand at rest, (15, 3) each, curled a little more or less than the mean."""
    mean = default_body().hand_mean_left
    return tuple((rng.uniform(-0.5, 0.9) * mean * sign).astype(np.float32) for sign in ([1, 1, 1], [1, -1, -1]))


@cache
def _table() -> Array:
    """(len(RADII), 15, 3) left hands, as the last run of this module found them."""
    return np.load(TABLE, allow_pickle=False)


def _closed(radius: float) -> Array:
    """The left hand closed on a cylinder along the rest z axis below the palm, (15, 3), by descent."""
    model = default_body()
    main = np.array(JOINTS)[model.weights.argmax(1)]
    ids, pads = [], []
    for finger in FINGERS:
        for k in (1, 2, 3):
            own = np.flatnonzero(main == f"left_{finger}{k}")
            own = spread(model.template[own], 24, own)
            ids.append(own)
            pads.append(np.full(24, k))
    skin = Skin(model, np.concatenate(ids))
    segment = torch.tensor(np.concatenate(pads)).reshape(5, 3, 24)[:, :, 0]
    wrist = torch.tensor(model.joint_template[JOINTS.index("left_wrist")])
    centre = wrist + torch.tensor(grip_centre(radius, True), dtype=torch.float32)
    rest, joints = skin.shaped(torch.zeros(1, 10))
    curl = torch.full((4, 3), 0.35, requires_grad=True)
    thumb = torch.zeros(3, 3, requires_grad=True)
    mean = skin.hand_mean[:15]
    optimiser = torch.optim.Adam([curl, thumb], lr=0.04)
    for _ in range(STEPS):
        optimiser.zero_grad()
        fingers = torch.stack([torch.zeros(4, 3), torch.zeros(4, 3), -curl], -1).reshape(12, 3)
        hands = torch.cat([fingers, mean[12:] + thumb, skin.hand_mean[15:]])[None]
        points, _, _ = skin(rest, joints, torch.zeros(1, 3), torch.zeros(1, 21, 3), hands, torch.zeros(1, 3))
        offset = (points[0] - centre)[:, :2]
        gap = (offset.norm(dim=-1) - radius).reshape(5, 3, 24)
        touch = gap.min(-1).values
        weight = torch.where(segment == 3, 1.0, 0.5)
        loss = (weight * touch.clamp(-0.02, 0.05) ** 2).sum() * 400 + 3000 * ((-gap - 0.001).clamp(min=0) ** 2).sum()
        # one tendon moves the three phalanges together, and no joint bends backwards or beyond 100 degrees
        loss = loss + 0.02 * ((curl - curl.mean(1, keepdim=True)) ** 2).sum() + 4 * (
            (-curl - 0.02).clamp(min=0) ** 2 + (curl - 1.75).clamp(min=0) ** 2).sum()
        loss = loss + 0.02 * ((curl - curl.mean(0, keepdim=True)) ** 2).sum()
        limit = torch.tensor([[0.6, 0.9, 0.8], [0.25, 0.35, 0.8], [0.2, 0.25, 1.1]])
        loss = loss + 0.01 * (thumb ** 2).sum() + 2 * ((thumb.abs() - limit).clamp(min=0) ** 2).sum()
        loss.backward()
        optimiser.step()
    fingers = np.zeros((12, 3))
    fingers[:, 2] = -curl.detach().numpy().reshape(-1)
    return np.concatenate([fingers - mean[:12].numpy(), thumb.detach().numpy()])


if __name__ == "__main__":
    np.save(TABLE, np.stack([_closed(radius) for radius in RADII]).astype(np.float32))
    print(f"{TABLE}: hands closed round {', '.join(f'{radius:g}' for radius in RADII)} m")
