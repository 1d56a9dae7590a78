"""Run LEXIS-Flow in ONNX Runtime: from noise, or from a start as SDEdit does, guided by the InterFields it decodes.

The graphs of the bundle do the work (docs/export.md names them); here is the loop around them, in numpy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from typing import Any, NamedTuple

import numpy as np

from lexis_core.body.names import POSED
from lexis_core.body.surface import GuideSurface
from lexis_core.errors import InputError
from lexis_core.interfield import SIGMA, SMALLEST
from lexis_core.runtime.bundle import HALF
from lexis_core.runtime.running import Running
from lexis_core.runtime.seen import Seen
from lexis_core.runtime.session import Sessions
from lexis_core.runtime.start import closed_form
from lexis_core.runtime.states import States

Array = np.ndarray

STEPS = 25
STAR = 15 / 25           # where the star mode enters
GUIDED_STEPS = 11        # the last ones, where the estimate is clean enough to be moved: from a start all of them
INNER = 2                # of guidance in each
RATE = 5.0               # how far down the gradient where nothing curves
TOUCHING, BLUR = 0.06, 0.015  # metres; of the body, what is predicted nearer is to touch: unsure is said as farther
BODY, OBJECT = 19, 9     # numbers of each stream beside the tokens
UNKNOWN = -1.0           # scale of a start's errors
CHUNK = 16_384           # points that are decoded at once
PAINT_STEPS = 60         # towards a painted field
SETTLED = 0.02           # the share of the rate that it falls to there: what should touch comes to rest


@dataclass(frozen=True)
class Weights:
    """Of guidance's terms; field also takes the artist's painted one."""

    field: float = 3.0
    mask: float = 10.0
    landmarks: float = 5.0
    inside: float = 0.3


def times(steps: int, started: bool) -> list[float]:
    """Where between noise, 0, and data, 1, the network is asked: evenly from noise; from a start first at 0, where it
    is told the start and nothing else, then from STAR on."""
    first = STAR if started else 0.0
    count = max(1, round(steps * (1 - first)))
    return [0.0] * started + [first + (1 - first) * k / count for k in range(count)]


class Shares(NamedTuple):
    """How far the k-th step of the sampler goes each way: flow_step.Share has what they mean."""

    toward: float
    keep: float
    settle: float
    onward: float


def shares(line: Sequence[float], k: int, guided: bool) -> tuple[bool, Shares]:
    """Whether guidance moves what the k-th step at these times gives, and that step's shares.

    Guidance moves the last GUIDED_STEPS. From its first on, the states are where it left them, and what the network
    then says of them goes into the mean of its tokens, which tells the field.
    """
    first = max(len(line) - GUIDED_STEPS, 0) if guided else len(line)
    before, after = (line[k - 1] if k else 0.0), (line[k + 1] if k + 1 < len(line) else 1.0)
    kept = k - first  # guided steps before this one
    if kept < 0:
        return False, Shares(0.0, 0.0, 0.0, (after - line[k]) / (1 - line[k]))
    return True, Shares((line[k] - before) / (1 - before) if kept else 0.0, float(kept > 0), kept / (kept + 1), 0.0)


class Free(NamedTuple):
    """What may move: 1 free, 0 held where it is at the start.

    joints : (21,) of the body pose; body : the pelvis's turn and place; object : its turn and place in space
    """

    joints: Array
    body: float = 1.0
    betas: float = 1.0
    object: float = 1.0

    @classmethod
    def all(cls) -> Free:
        return cls(np.ones(POSED - 1, np.float32))

    def of(self, count: int) -> dict[str, Array]:
        """As the graphs take it, for so many states."""
        return {f"free_{name}": np.repeat(np.float32(value)[None], count, 0)
                for name, value in zip(self._fields, self, strict=True)}


class Goal(NamedTuple):
    """InterFields in [0, 1] that are wanted at guidance's points, and how much each counts: (B, P) and (B, Q)."""

    body_field: Array
    body_weight: Array
    object_field: Array
    object_weight: Array


class Stage(NamedTuple):
    """A part of the way towards a painted field: what is measured and wanted, and the share of the steps it has."""

    seen: Seen
    guide: GuideSurface
    goal: Goal
    share: float


class Sampled(NamedTuple):
    """H hypotheses of each of B pictures.

    every       : (B H, ...), each picture's in order of energy, the best first
    energy      : (B, H); NaN of one hypothesis without guidance, where there is nothing to guide or to rank by it
    tokens, f_o : (B H, 16, 128), (B H, 196): what Sampler.predicted reads the fields from
    """

    every: States
    energy: Array
    tokens: Array
    f_o: Array


class Sampler:
    """The networks of a bundle, ready to run. Every result follows from the seed alone, on one device.

    resident : keep what goes from graph to graph on the device; None is where that is CUDA
    half     : run the step in half precision; None is where the device is CUDA and the bundle holds such a step
    """

    def __init__(self, sessions: Sessions | None = None, resident: bool | None = None, half: bool | None = None):
        self.sessions = sessions or Sessions()
        self._resident, self._half = resident, half

    @property
    def device(self) -> str:
        """Where the step runs."""
        return self.sessions["step"].device

    @property
    def half(self) -> bool:
        """Whether the step runs in half precision."""
        return self.device == "cuda" and HALF in self.sessions.bundle.models if self._half is None else self._half

    @property
    def notes(self) -> tuple[str, ...]:
        """What whoever reads a result should know of how it was run."""
        half = ("The network's steps ran in half precision.",) if self.half else ()
        return (*half, self.sessions.why_no_graph) if self.sessions.why_no_graph else half

    def _work(self, progress: Callable[[float], None] | None, cancelled: Callable[[], bool] | None) -> Running:
        resident = self.device == "cuda" if self._resident is None else self._resident
        return Running(self.sessions, resident, progress, cancelled, self.half)

    def sample(self, seen: Seen, guide: GuideSurface, start: States | None = None, *, steps: int = STEPS,
               hypotheses: int = 1, seed: int = 0, weights: Weights | None = None, free: Free | None = None,
               noise: tuple[Array, Array, Array] | None = None, guided: bool = True,
               progress: Callable[[float], None] | None = None,
               cancelled: Callable[[], bool] | None = None) -> Sampled:
        """Bodies and objects as B pictures show them.

        start      : (B, ...) another tool's estimate; the star mode then enters at 15/25
        steps      : of the whole way; from a start it is two fifths of them, and one
        hypotheses : the first without noise, the others from noise of this seed
        noise      : in place of the seed's: tokens (B H, 16, 128), body (B H, 19), object (B H, 9)
        progress   : called after every step with the share that is done
        Raises Cancelled soon after cancelled() is true.
        """
        if steps < 1 or hypotheses < 1:
            raise InputError("The sampler cannot run.", f"{steps} steps of {hypotheses} hypotheses were asked for.",
                             "Give at least one of each.")
        work = self._work(progress, cancelled)
        weights, free = weights or Weights(), free or Free.all()
        many = seen.repeated(hypotheses)
        total = len(many.camera)
        each = np.tile(np.arange(hypotheses), len(seen.camera))
        known = (closed_form(many, guide, 2 * np.pi * each / hypotheses) if start is None
                 else start.repeated(hypotheses))
        line = times(steps, start is not None)
        context = self._context(seen, many, known, start is not None, line, work)
        paces = work.back(context.pop("paces"))
        begun, f_o = work.back(context["start_tokens"]), context.pop("f_o")
        held, scene = work.placed(free.of(total)), work.placed(_scene(many, guide))
        x = self._noise(total, begun.shape[1:], each, seed, noise)
        fixed = {**context, **work.placed(_named("start", known)), **held, "camera": scene["camera"]}
        points = work.placed({"f_o": f_o, "body_points": np.repeat(guide.rest[None], total, 0),
                              "object_points": many.object_points})
        tokens, states = np.zeros_like(x[0]), known
        goal: Goal | None = None
        measured = guided or hypotheses > 1
        for k in range(len(line)):
            moves, ways = shares(line, k, guided)
            found = work.step({
                "x_tokens": x[0], "x_body": x[1], "x_object": x[2], "clean_tokens": tokens, **_named("now", states),
                "pace": paces[k],
                **{name: np.full(total, value, np.float32) for name, value in ways._asdict().items()}, **fixed})
            x = tuple(found[f"new_x_{name}"] for name in ("tokens", "body", "object"))
            tokens, states = found["new_clean_tokens"], States(*(found[name] for name in States._fields))
            if moves or (measured and k + 1 == len(line)):
                told = work.run("decoder", {"tokens": begun + work.back(tokens), **points}, ("body", "object"))
                goal = Goal(**work.placed(_goal(touching(work.back(told["body"])), told["object"])._asdict()))
            if moves:
                for _ in range(INNER):
                    states, _ = self._guide(work, scene, goal, weights, held, states, np.full(total, RATE))
            work.at((k + 1) / len(line))
        energy = np.full((len(seen.camera), hypotheses), np.nan, np.float32)
        if measured:
            _, found = self._guide(work, scene, goal, weights, held, states, np.zeros(total))
            energy = work.back(found).sum(1).reshape(-1, hypotheses)
        order = (energy.argsort(1, kind="stable") + hypotheses * np.arange(len(energy))[:, None]).ravel()
        states = States(*map(work.back, states))
        return Sampled(states.take(order), np.sort(energy, 1), (begun + work.back(tokens))[order],
                       work.back(f_o)[order])

    def predicted(self, found: Sampled, row: int, body: Array, object: Array,
                  cancelled: Callable[[], bool] | None = None) -> tuple[Array, Array]:
        """The InterField of one of found.every as the tokens tell it, (P,) and (Q,) in (0, 1].

        body (P, 3) rest places from the pelvis joint; object (Q, 3) canonical places at its size; metres
        """
        work, pieces = Running(self.sessions, False, None, cancelled), ([], [])
        for k in range(0, max(len(body), len(object)), CHUNK):
            points = {f"{name}_points": np.ascontiguousarray(part[k:k + CHUNK] if k < len(part) else part[:1],
                                                             np.float32)[None]
                      for name, part in (("body", body), ("object", object))}
            told = work.run("decoder", {"tokens": found.tokens[[row]], "f_o": found.f_o[[row]], **points})
            for piece, name in zip(pieces, ("body", "object"), strict=True):
                piece.append(told[name][0])
        body, object = (np.concatenate(part)[:len(points)] for part, points in zip(pieces, (body, object), strict=True))
        return np.clip(body, SMALLEST, 1), np.clip(object, SMALLEST, 1)

    def towards(self, stages: Sequence[Stage], start: States, *, steps: int = PAINT_STEPS,
                weights: Weights | None = None, free: Free | None = None,
                progress: Callable[[float], None] | None = None,
                cancelled: Callable[[], bool] | None = None) -> States:
        """From the start down the gradient to painted fields, the rate falling in each stage; no network is asked."""
        work, weights, free = self._work(progress, cancelled), weights or Weights(), free or Free.all()
        total = len(start.betas)
        held, states, done = work.placed(free.of(total)), start, 0
        counts = [max(1, round(stage.share * steps)) for stage in stages]
        for stage, count in zip(stages, counts, strict=True):
            scene, goal = work.placed(_scene(stage.seen, stage.guide)), Goal(**work.placed(stage.goal._asdict()))
            for k in range(count):
                rate = np.full(total, RATE * SETTLED ** (k / count))
                states, _ = self._guide(work, scene, goal, weights, held, states, rate)
                done += 1
                work.at(done / sum(counts))
        return States(*map(work.back, states))

    def _context(self, seen: Seen, many: Seen, known: States, started: bool, line: Sequence[float], work: Running,
                 ) -> dict[str, Any]:
        """f_o, start_tokens, pose, keys and values, and the paces of steps at these times."""
        total = len(many.camera)
        image = work.back(work.run("encoder", {"image": seen.image})["tokens"])
        told = {name: value for name, value in many._asdict().items() if name not in ("image", "object_normals")}
        return work.run("context", {
            **told, **known._asdict(), "image_tokens": np.repeat(image, total // len(image), 0),
            "started": np.full(total, started, np.float32), "scale": np.full(total, UNKNOWN, np.float32),
            "body_time": np.float32(line), "object_time": np.float32(line)})

    def _guide(self, work: Running, scene: dict[str, Any], goal: Goal, weights: Weights, held: dict[str, Any],
               states: States, rate: Array) -> tuple[States, Any]:
        """One step down the gradient, and the energies (B, 4) before it."""
        found = work.run("guide", {
            **scene, **goal._asdict(), **_named("now", states), "term_weights": np.array(astuple(weights), np.float32),
            "rate": np.float32(rate), **{name: value for name, value in held.items() if name != "free_betas"}})
        return States(*(found[name] for name in States._fields)), found["energy"]

    @staticmethod
    def _noise(total: int, tokens: tuple[int, ...], each: Array, seed: int,
               given: tuple[Array, Array, Array] | None) -> tuple[Array, ...]:
        """Where the coordinates begin: without noise for each picture's first hypothesis."""
        shapes = (total, *tokens), (total, BODY), (total, OBJECT)
        if given is None:
            rng = np.random.default_rng(seed)
            given = tuple(rng.standard_normal(shape, np.float32) for shape in shapes)
        size = (each > 0).astype(np.float32)
        return tuple(np.asarray(part, np.float32) * size.reshape(-1, *[1] * (part.ndim - 1)) for part in given)


def _named(prefix: str, states: States) -> dict[str, Any]:
    return {f"{prefix}_{name}": value for name, value in states._asdict().items()}


def _scene(seen: Seen, guide: GuideSurface) -> dict[str, Array]:
    """What guidance measures on, as its graph takes it."""
    names = ("maps", "pixels", "landmarks", "confidence", "camera", "seen", "object_points", "object_normals")
    return {**{name: getattr(seen, name) for name in names}, **vars(guide.surface), "landmark": guide.landmark}


def touching(body: Array) -> Array:
    """The body's predicted field (B, P) as guidance aims at it: its distances d / (1 + exp((TOUCHING - d) / BLUR))."""
    distance = SIGMA * np.sqrt(-2 * np.log(np.clip(body, 1e-4, 1)))
    aimed = distance / (1 + np.exp((TOUCHING - distance) / BLUR))
    return np.exp(-0.5 * (aimed / SIGMA) ** 2)


def _goal(body: Array, object: Any) -> Goal:
    """What these fields ask for, every point as much as any. The object's may be on the device."""
    shape = object.shape if isinstance(object, np.ndarray) else object.shape()
    return Goal(body, np.ones_like(body), object, np.ones(shape, np.float32))
