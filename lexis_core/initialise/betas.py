"""The body's build from the person's mask: a few Gauss-Newton steps on the betas, the pose held still."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from scipy.spatial import cKDTree

from lexis_core.body.model import BodyModel, joint_rotations, pose_batch, restrict
from lexis_core.initialise.crop import cropped_mask, square_around
from lexis_core.initialise.landmark_points import landmark_points
from lexis_core.observe.observation import Observation
from lexis_core.raster import silhouettes
from lexis_core.state import BodyState

Array = np.ndarray

VERTICES = 3000        # of the coarse body whose outline is matched
SIDE = 96              # pixels along the crop
MARGIN = 1.2           # the crop's side over the mask's longer side
BLUR = 1.5
STEPS = 4
MISFIT = 0.003         # share of the mask's area that counts as one squared spread
PIXEL_SPREAD = 0.02    # of the crop's side: how far a landmark may wander while the build changes
DIFFERENCE = 0.5


def betas_from_mask(model: BodyModel, state: BodyState, seen: Observation) -> Array:
    """Betas (10,) whose outline fills the mask while the landmarks stay. Clothes count as body, within the prior."""
    box = square_around(seen.person_mask, MARGIN)
    mask = cropped_mask(seen.person_mask, box, SIDE)
    hidden = seen.object_mask if seen.object_mask is not None else np.zeros_like(seen.person_mask)
    known = cropped_mask(~hidden, box, SIDE)
    camera = seen.camera.cropped(box, SIDE, SIDE)
    points, coarse = landmark_points(model), coarse_body(model)
    trust = (np.clip(seen.confidence[points.landmark], 0, 1) * points.trust)[:, None] / PIXEL_SPREAD
    rotations, none = joint_rotations(model, state)[None], np.zeros((1, 1), np.float32)

    def drawn(betas: Array) -> tuple[Array, Array]:
        """Outlines (B, SIDE, SIDE) and landmarks (B, K, 2) in shares of the side."""
        posing = (np.repeat(rotations, len(betas), 0), betas.astype(np.float32), none,
                  np.repeat(state.translation[None], len(betas), 0))
        vertices, _ = pose_batch(coarse, *posing)
        marks = points.of(*pose_batch(points.model, *posing))
        return silhouettes(camera.project(vertices), coarse.faces, SIDE, SIDE), camera.project(marks) / SIDE

    marks_now = drawn(state.betas[None])[1][0]

    def residuals(betas: Array) -> Array:
        outline, marks = drawn(betas)
        misfit = [cv2.GaussianBlur((o - mask) * known, (0, 0), BLUR).ravel() for o in outline.astype(np.float32)]
        still = np.nan_to_num((marks - marks_now) * trust).reshape(len(betas), -1)
        return np.concatenate([np.stack(misfit) / np.sqrt(MISFIT * mask.sum()), still, betas], 1)

    betas = state.betas.astype(np.float64)
    for _ in range(STEPS):
        moved = residuals(betas + DIFFERENCE * np.concatenate([np.zeros((1, 10)), np.eye(10)]))
        jacobian = (moved[1:] - moved[0]).T / DIFFERENCE
        betas = np.clip(betas + 0.8 * np.linalg.lstsq(jacobian, -moved[0], rcond=None)[0], -2.5, 2.5)
    return betas


def coarse_body(model: BodyModel) -> BodyModel:
    """The body on about VERTICES of its vertices: each of the others goes to its nearest kept one, with its faces."""
    kept = np.unique(np.linspace(0, len(model.template) - 1, min(VERTICES, len(model.template))).astype(int))
    nearest = cKDTree(model.template[kept]).query(model.template)[1]
    faces = nearest[model.faces]
    whole = (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])
    return replace(restrict(model, kept), faces=np.unique(faces[whole], axis=0).astype(np.int32))
