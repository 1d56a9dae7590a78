"""Which solved interactions are accepted: exact distances on thousands of points the solver never saw."""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy.spatial import cKDTree

from lexis_core.body import BodyModel, default_body, pose_batch, restrict
from lexis_core.geometry import rotation_from_axis_angle
from lexis_core.initialise.joint_limits import HIGH, LOW, SOLVED
from lexis_core.interfield import distance, inside
from lexis_core.mesh import Mesh, vertex_areas
from lexis_core.synthetic import hands, kernels
from lexis_core.synthetic.regions import regions, solver_points
from lexis_core.synthetic.setup import Start

Array = np.ndarray

DEEPEST = 0.010  # metres one surface may be inside the other, soft flesh included
MET = 0.020  # metres a touch may miss by
ASTRAY = 0.10  # metres a touch may be beside its place, beyond its own slide
GRIP_ANGLE = 40.0  # degrees between a handle and the hand's axis
APART = 0.05  # metres that at least lie between a person and a thing they walk past
BESIDE = 0.06  # metres from the object beyond which nothing is judged, but for hands that reach
FLOOR = 0.012  # metres below the floor
SEEN = 3000  # body points an interaction is judged on


@cache
def fresh_points() -> Array:
    """Vertices the solver does not pose, area-weighted, and all of the hands' and regions' others; (N,) int64."""
    model = default_body()
    areas = vertex_areas(Mesh(model.template, model.faces))
    areas[solver_points()[0]] = 0
    rng = np.random.default_rng(11)
    chosen = rng.choice(len(areas), SEEN, replace=False, p=areas / areas.sum())
    extra = [np.setdiff1d(r.vertices, solver_points()[0]) for r in regions().values()]
    return np.unique(np.concatenate([chosen, *extra]))


def skinned(starts: list[Start], body_pose: Array, root: Array, shift: Array,
            vertex_ids: Array | None = None) -> tuple[Array, Array, Array]:
    """Vertices (B, V, 3) and joints (B, 55, 3) of solved bodies, and the wrists' rotations (B, 2, 3, 3)."""
    model = default_body() if vertex_ids is None else _few(vertex_ids.tobytes())
    axis_angle = np.zeros((len(starts), 55, 3))
    axis_angle[:, 0], axis_angle[:, 1:22] = root, body_pose
    axis_angle[:, 25:] = np.stack([s.hands for s in starts])
    axis_angle[:, 25:40] += model.hand_mean_left
    axis_angle[:, 40:] += model.hand_mean_right
    local = rotation_from_axis_angle(axis_angle).astype(np.float32)
    betas = np.stack([s.betas for s in starts])
    vertices, joints = pose_batch(model, local, betas, np.zeros((1, 10), np.float32), shift.astype(np.float32))
    turns = []
    for wrist in (20, 21):
        turn, joint = local[:, wrist], int(model.parents[wrist])
        while joint >= 0:
            turn, joint = local[:, joint] @ turn, int(model.parents[joint])
        turns.append(turn)
    return vertices, joints, np.stack(turns, 1)


@cache
def _few(ids: bytes) -> BodyModel:
    return restrict(default_body(), np.frombuffer(ids, np.int64))


def judge(start: Start, points: Array, joints: Array, wrists: Array, body_pose: Array, turn: Array,
          place: Array) -> str:
    """"" when accepted, else what is wrong. points (N, 3) are fresh_points() of the solved body."""
    plan = start.plan
    limited = body_pose[np.array(SOLVED) - 1]
    if (limited < LOW - 1e-4).any() or (limited > HIGH + 1e-4).any():
        return "joint limits"
    if points[:, 1].min() < -FLOOR or (plan.feet and points[:, 1].min() > MET):
        return "floor"
    local = (points - place) @ turn
    reaching = any(c.touch.kind == "reach" for c in start.contacts)
    depth = start.solid.signed_distance(local, np.inf if reaching else BESIDE)
    if depth.min() < -DEEPEST:
        return "body inside object"
    if not start.contacts:
        return "too near" if depth.min() < APART else ""
    for contact in start.contacts:
        wrong = _missed(contact, start, local, depth, joints, wrists, turn, place)
        if wrong:
            return wrong
    ground = (start.solid.vertices @ turn.T + place)[:, 1].min()
    return "object below the floor" if ground < -FLOOR else ""


def _missed(contact, start: Start, local: Array, depth: Array, joints: Array, wrists: Array, turn: Array,
            place: Array) -> str:
    touch, spot = contact.touch, contact.spot
    if touch.kind == "grip":
        side = 0 if contact.region.startswith("left") else 1
        rotation = wrists[side]
        wrist = joints[20 + side]
        centre = (wrist + rotation @ hands.grip_centre(spot.radius, side == 0) - place) @ turn
        axis = spot.axis if spot.axis[1] >= 0 else -spot.axis
        off = centre - spot.point
        if np.linalg.norm(off - (off @ axis) * axis) > MET or abs(off @ axis) > 0.04:
            return f"{contact.region} off the handle"
        cosine = (turn.T @ rotation[:, 2]) @ axis
        angle = np.degrees(np.arccos(np.clip(cosine if touch.signed else abs(cosine), -1, 1)))
        return f"{contact.region} across the handle" if angle > GRIP_ANGLE else ""
    own = np.isin(fresh_points(), regions()[contact.region].vertices)
    gap = np.percentile(np.abs(depth[own]), 10)
    if touch.kind == "reach":
        return "" if 0.008 < depth[own].min() < 0.25 else f"{contact.region} not near"
    if gap > MET:
        return f"{contact.region} does not touch"
    astray = np.linalg.norm(np.cross(local[own].mean(0) - spot.point, spot.normal))
    return f"{contact.region} beside its place" if astray > touch.slide + ASTRAY else ""


def object_in_body(start: Start, vertices: Array, turn: Array, place: Array) -> bool:
    """Whether an object vertex lies deeper than DEEPEST inside the whole body (V, 3): a thin stick through a palm."""
    model = default_body()
    mesh = Mesh(vertices, model.faces)
    own = start.solid.vertices
    points = np.concatenate([own[:: max(1, len(own) // 800)], start.solid.points[::6]]) @ turn.T + place
    reach = (points > vertices.min(0)).all(1) & (points < vertices.max(0)).all(1)
    points = points[reach]
    if not len(points):
        return False
    # exact answers take long: first ask the nearest vertex, which is seldom wrong about deep points
    gap, nearest = cKDTree(vertices).query(points)
    outward = kernels.vertex_normals(np.float32(vertices), mesh.faces)[nearest]
    if (((points - vertices[nearest]) * outward).sum(1) > -0.6 * DEEPEST).all():
        return False
    points = points[gap > DEEPEST]
    points = points[inside(points, mesh)] if len(points) else points
    return len(points) > 0 and bool(distance(points, mesh).max() > DEEPEST)
