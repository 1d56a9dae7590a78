"""Sample by the bundle and by torch from the same pictures, starts and noise, and say how far apart they are.

Guidance looks for nearest points anew in each step, and where two are equally near a difference in the last digit
chooses. So torch is also compared with itself, its input moved by a millionth: only where that moves nothing must two
machines agree. Each single call is compared too, asked the same by the way the bundle went.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from lexis_core.body import BodyModel, pose_batch
from lexis_core.body.surface import GUIDE_POINTS, guide_surface
from lexis_core.interfield import closest, outward
from lexis_core.learn.flow_batch import true_states
from lexis_core.learn.flow_state import Coordinates
from lexis_core.learn.flow_state import States as TorchStates
from lexis_core.learn.net_data import object_points
from lexis_core.learn.observed import Observed, observed
from lexis_core.learn.sampler import Flow, noise_of, sample
from lexis_core.learn.views import views
from lexis_core.runtime.sampler import Sampler
from lexis_core.runtime.seen import seen_of
from lexis_core.runtime.session import Sessions
from lexis_core.runtime.states import States
from onnx_export.golden import torch_run
from onnx_export.graphs import graphs_of

Array = np.ndarray

TESTS = Path(__file__).parents[1] / "tests"
HYPOTHESES = 2      # one without noise, one with
NUDGES = (1e-6, -2e-6)  # of what torch is given, as rounding would
STEADY = 2e-5       # what a nudge may move at the end


@dataclass(frozen=True)
class Gaps:
    """calls : the largest difference of any call's outputs, by graph
    unguided, guided : (rows,) of the states at the end; millimetres : (rows,) of body vertices and object points of the
    guided; own : (rows,) of torch's guided states when its input is nudged
    """

    calls: Mapping[str, float]
    unguided: Array
    guided: Array
    millimetres: Array
    own: Array

    @property
    def steady(self) -> Array:
        """(rows,) bool, where torch agrees with itself."""
        return self.own < STEADY


class Compared:
    """Sessions whose every answer is compared with torch's to the same question. gaps : the largest, by model."""

    device = "cpu"

    def __init__(self, sessions: Sessions, flow: Flow):
        self.sessions, self.torch, self.gaps = sessions, torch_run(graphs_of(flow)), {}

    def __getitem__(self, model: str) -> Compared:
        self.model = model
        return self

    def run(self, feeds: Mapping[str, Array], outputs: Sequence[str] | None = None, cancelled=None) -> dict[str, Array]:
        answer = self.sessions[self.model].run(feeds, outputs)
        expected = self.torch(self.model, feeds)
        worst = max(float((np.abs(value - expected[name]) / np.maximum(np.abs(expected[name]), 1)).max())
                    for name, value in answer.items())
        self.gaps[self.model] = max(worst, self.gaps.get(self.model, 0.0))
        return answer


class Scenes:
    """Rendered interactions and starts near them."""

    def __init__(self, folder: Path, count: int):
        sys.path.insert(0, str(TESTS / "learn"))
        from rendered_interactions import made_up_interactions

        interactions = made_up_interactions(count)
        interactions.save(folder / "few.npz")
        shown = views(folder / "few.npz", processes=1)
        self.image = np.float32(shown.image).transpose(0, 3, 1, 2) / 255
        self.told = [np.array(part) for part in (shown.masks, shown.landmarks, shown.landmarks_world, shown.confidence,
                                                 shown.camera)]
        self.points = np.float32([object_points(interactions, int(k))[:GUIDE_POINTS] for k in interactions.instance])
        meshes = [interactions.object_model(i).mesh for i in range(count)]
        self.normals = np.float32([outward(part, closest(part, mesh)[1], mesh)
                                   for part, mesh in zip(self.points, meshes, strict=True)])
        truth = true_states(interactions)
        self.start = truth._replace(object_position=truth.object_position + torch.tensor([0.02, 0.03, 0.05]),
                                    betas=torch.zeros_like(truth.betas))

    def gaps(self, sessions: Sessions, flow: Flow, model: BodyModel, count: int, star: bool) -> Gaps:
        """Of the first so many pictures, from a start or from noise."""
        told, points, normals = ([part[:count] for part in self.told], self.points[:count], self.normals[:count])
        seen = observed(flow.encoder(torch.from_numpy(self.image[:count])), *told, torch.from_numpy(points),
                        torch.from_numpy(normals))
        start = TorchStates(*(part[:count] for part in self.start)) if star else None
        noise = noise_of(flow, HYPOTHESES * count, torch.Generator().manual_seed(0))
        compared = Compared(sessions, flow)
        begin = None if start is None else States(*(part.numpy() for part in start))
        given = seen_of(self.image[:count], *told, points, normals)

        def ours(guided: bool) -> States:
            return Sampler(compared).sample(given, guide_surface(model), begin, hypotheses=HYPOTHESES, guided=guided,
                                            noise=tuple(part.numpy() for part in noise)).every

        def torchs(guidance: str, nudge: float = 0.0) -> States:
            return _sampled(flow, seen, start, noise, guidance, nudge)

        found, expected = ours(True), torchs("interfield")
        points = np.repeat(points, HYPOTHESES, 0)
        return Gaps(compared.gaps, _gap(ours(False), torchs("none")), _gap(found, expected),
                    _furthest(_posed(model, found, points), _posed(model, expected, points)),
                    np.max([_gap(torchs("interfield", nudge), expected) for nudge in NUDGES], axis=0))

    def half_gaps(self, sessions: Sessions, model: BodyModel, count: int, star: bool) -> Array:
        """(rows,) millimetres between each state that the step gives in half precision and the nearest that it gives
        the same picture in single precision, without guidance: of the furthest body vertex or object point."""
        points = self.points[:count]
        seen = seen_of(self.image[:count], *(part[:count] for part in self.told), points, self.normals[:count])
        start = States(*(part[:count].numpy() for part in self.start)) if star else None
        half, full = (_posed(model, Sampler(sessions, half=half).sample(
            seen, guide_surface(model), start, hypotheses=HYPOTHESES, guided=False).every,
            np.repeat(points, HYPOTHESES, 0)) for half in (True, False))
        other = np.arange(HYPOTHESES * count) ^ 1  # the two of a picture may change places
        return np.minimum(_furthest(half, full), _furthest(half, tuple(part[other] for part in full)))


def _sampled(flow: Flow, seen: Observed, start: TorchStates | None, noise: Coordinates, guidance: str, nudge: float
             ) -> States:
    seen = seen._replace(landmarks=seen.landmarks * (1 + nudge), landmarks_world=seen.landmarks_world * (1 + nudge))
    if start is not None:
        start = start._replace(pelvis=start.pelvis * (1 + nudge))
    found = sample(flow, seen, start, hypotheses=HYPOTHESES, noise=noise, guidance=guidance).every
    return States(*(part.numpy() for part in found))


def _gap(a: States, b: States) -> Array:
    """(rows,) the largest difference of any of their numbers."""
    return np.max([np.abs(x - y).reshape(len(x), -1).max(1) for x, y in zip(a, b, strict=True)], axis=0)


def _posed(model: BodyModel, states: States, points: Array) -> tuple[Array, Array]:
    """Vertices (B, V, 3) of the body and the object's points, camera space, metres."""
    turns = np.tile(np.eye(3), (len(points), 55, 1, 1))
    turns[:, 0], turns[:, 1:22] = states.rotation, states.theta
    vertices, joints = pose_batch(model, turns, states.betas, np.zeros((1, 10)), np.zeros((len(points), 3)))
    return (vertices - joints[:, :1] + states.pelvis[:, None],
            points @ states.object_rotation.transpose(0, 2, 1) + states.object_position[:, None])


def _furthest(a: tuple[Array, Array], b: tuple[Array, Array]) -> Array:
    """(rows,) millimetres of the point that moves most between what _posed gives."""
    return 1000 * np.max([np.linalg.norm(x - y, axis=-1).max(1) for x, y in zip(a, b, strict=True)], axis=0)
