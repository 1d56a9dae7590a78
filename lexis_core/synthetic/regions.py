"""Where a body touches things: palms, soles, seat, back and more as vertex sets of the default body.

Found from the skin weights and the rest shape, so no vertex numbers are written down anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from lexis_core.body import default_body
from lexis_core.body.names import JOINTS
from lexis_core.mesh import Mesh, vertex_areas, vertex_normals

Array = np.ndarray

POINTS = 10  # of a region that the solver looks at
SPREAD = 190  # body points beside those of the regions
FINGERS = ("index", "middle", "pinky", "ring", "thumb")


@dataclass(frozen=True)
class Region:
    """Part of the skin that meets objects.

    joint    : the joint that carries it
    normal   : (3,) the way it faces in the rest pose
    vertices : (N,) int64, all its vertices
    points   : (POINTS,) int64, some of them, spread out
    """

    joint: int
    normal: Array
    vertices: Array
    points: Array


@cache
def regions() -> dict[str, Region]:
    """Every region by name; those of a side as left_palm, right_palm."""
    model = default_body()
    place, normal = model.template, vertex_normals(Mesh(model.template, model.faces))
    joints = {name: model.joint_template[k] for k, name in enumerate(JOINTS)}
    main = np.array(JOINTS)[model.weights.argmax(1)]
    x, y, z = place.T
    found = {}

    def enter(name: str, joint: str, facing: tuple[float, float, float], where: Array) -> None:
        ids = np.flatnonzero(where)
        found[name] = Region(JOINTS.index(joint), np.array(facing, float), ids, spread(place[ids], POINTS, ids))

    for side, sign in (("left", 1), ("right", -1)):
        out = sign * x
        wrist, knuckle = sign * joints[f"{side}_wrist"][0], sign * joints[f"{side}_middle1"][0]
        fingers = np.isin(main, [f"{side}_{finger}{k}" for finger in FINGERS[:4] for k in (1, 2, 3)])
        flat = ((main == f"{side}_wrist") & (out > wrist + 0.03)) | (fingers & (out < knuckle + 0.015))
        enter(f"{side}_palm", f"{side}_wrist", (0, -1, 0), flat & (normal[:, 1] < -0.8))
        enter(f"{side}_hand", f"{side}_wrist", (0, -1, 0), (flat | fingers) & (normal[:, 1] < -0.6))
        tips = np.isin(main, [f"{side}_{finger}3" for finger in FINGERS[:2]])
        enter(f"{side}_fingertips", f"{side}_middle3", (0, -1, 0), tips & (normal[:, 1] < -0.3))
        foot = np.isin(main, [f"{side}_foot", f"{side}_ankle"])
        low = y < y[foot].min() + 0.03
        enter(f"{side}_sole", f"{side}_ankle", (0, -1, 0), foot & low & (normal[:, 1] < -0.8))
        front = joints[f"{side}_foot"][2]
        enter(f"{side}_ball", f"{side}_ankle", (0, -1, 0), foot & low & (normal[:, 1] < -0.8) & (z > front - 0.03))
        enter(f"{side}_toes", f"{side}_ankle", (0, 0.2, 0.98), foot & (normal[:, 2] > 0.35) & (z > front + 0.02))
        hip = joints[f"{side}_hip"]
        thigh = (main == f"{side}_hip") & (y < hip[1] - 0.04) & (y > hip[1] - 0.30)
        enter(f"{side}_thigh_back", f"{side}_hip", (0, 0, -1), thigh & (normal[:, 2] < -0.6))
        enter(f"{side}_thigh_front", f"{side}_hip", (0, 0, 1), thigh & (normal[:, 2] > 0.6))
        arm = main == f"{side}_elbow"
        enter(f"{side}_forearm", f"{side}_elbow", (0, -1, 0), arm & (normal[:, 1] < -0.6))
    pelvis = np.isin(main, ["pelvis", "left_hip", "right_hip"])
    buttocks = pelvis & (y < joints["left_hip"][1] + 0.03) & (y > joints["left_hip"][1] - 0.14) & (normal[:, 2] < 0.1)
    enter("seat", "pelvis", (0, -0.7, -0.7), buttocks & (np.abs(x) < 0.16) & (normal[:, 2] < -0.1))
    perineum = pelvis & (np.abs(x) < 0.085) & (y < joints["left_hip"][1] - 0.05) & (z < 0.01)
    enter("saddle", "pelvis", (0, -1, 0), perineum & (normal[:, 1] < -0.3))
    enter("lower_back", "spine1", (0, 0, -1), np.isin(main, ["spine1", "spine2", "pelvis"]) & (normal[:, 2] < -0.7)
          & (y > 0.02))
    enter("upper_back", "spine3", (0, 0, -1), np.isin(main, ["spine3", "spine2", "left_collar", "right_collar"])
          & (normal[:, 2] < -0.75) & (y > 0.2))
    enter("head_back", "head", (0, 0, -1), (main == "head") & (normal[:, 2] < -0.7) & (z < joints["head"][2] - 0.05))
    enter("chest", "spine3", (0, 0, 1), np.isin(main, ["spine3", "spine2", "left_collar", "right_collar"])
          & (normal[:, 2] > 0.6))
    enter("belly", "spine1", (0, 0, 1), np.isin(main, ["spine1", "spine2", "pelvis"]) & (normal[:, 2] > 0.6))
    enter("hip_side", "pelvis", (1, 0, 0), pelvis & (normal[:, 0] > 0.8) & (y > -0.16))
    return found


@cache
def solver_points() -> tuple[Array, dict[str, Array]]:
    """Vertices the solver poses, (P,) int64, and where each region's points are among them, (POINTS,) each."""
    model = default_body()
    areas = vertex_areas(Mesh(model.template, model.faces))
    rng = np.random.default_rng(7)
    pool = rng.choice(len(areas), 6000, replace=False, p=areas / areas.sum())
    chosen = [spread(model.template[pool], SPREAD, pool)] + [region.points for region in regions().values()]
    for side in ("left", "right"):
        hand = np.flatnonzero(np.isin(np.array(JOINTS)[model.weights.argmax(1)],
                                      [f"{side}_{f}{k}" for f in FINGERS for k in (2, 3)]))
        chosen.append(spread(model.template[hand], 14, hand))
    ids = np.unique(np.concatenate(chosen))
    return ids, {name: np.searchsorted(ids, region.points) for name, region in regions().items()}


def spread(points: Array, count: int, ids: Array) -> Array:
    """count of the ids whose points (N, 3) lie far from one another, the same ones each time; repeats when too few."""
    if not len(ids):
        raise ValueError("A region without vertices.")
    start = int(((points - points.mean(0)) ** 2).sum(1).argmin())
    chosen = [start]
    gap = ((points - points[start]) ** 2).sum(1)
    for _ in range(min(count, len(ids)) - 1):
        chosen.append(int(gap.argmax()))
        gap = np.minimum(gap, ((points - points[chosen[-1]]) ** 2).sum(1))
    return ids[np.resize(chosen, count)]
