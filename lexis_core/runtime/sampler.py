"""Run LEXIS-Flow in ONNX Runtime: from noise, or from a start as SDEdit does, guided by the InterFields it decodes.

The graphs of the bundle do the work (docs/runtime.md names them); here is the loop around them, in numpy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from typing import NamedTuple

import numpy as np

from lexis_core.body.names import POSED
from lexis_core.body.surface import GuideSurface
from lexis_core.errors import Cancelled, InputError
from lexis_core.interfield import SMALLEST
from lexis_core.runtime.seen import Seen
from lexis_core.runtime.session import Sessions
from lexis_core.runtime.start import closed_form
from lexis_core.runtime.states import States

Array = np.ndarray

STEPS = 25
STAR = 15 / 25           # where the star mode enters
GUIDED_STEPS = 8         # the last ones, where the estimate is clean enough to be moved
INNER = 5                # gradient steps in each
RATE, LAST_RATE = 3.0, 0.2  # at the first of them; the share of it that the rate falls to
KEEP = 0.8               # of what guidance moved, from one step to the next
BODY, OBJECT = 19, 9     # numbers of each stream beside the tokens
UNKNOWN = -1.0           # scale of a start's errors
CHUNK = 16_384           # points that are decoded at once
PAINT_STEPS = 60         # towards a painted field
SETTLED = 0.02           # the share of the rate that it falls to there: what should touch comes to rest


@dataclass(frozen=True)
class Weights:
    """Of guidance's terms; field also takes the artist's painted one."""

    field: float = 3.0
    mask: float = 5.0
    landmarks: float = 3.0
    inside: float = 0.3


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
    energy      : (B, H)
    tokens, f_o : (B H, 16, 128), (B H, 196): what Sampler.predicted reads the fields from
    """

    every: States
    energy: Array
    tokens: Array
    f_o: Array


class _Watch:
    """Asks whether to go on, and says how far the work is."""

    def __init__(self, progress: Callable[[float], None] | None, cancelled: Callable[[], bool] | None):
        self.progress, self.cancelled = progress, cancelled

    def check(self) -> None:
        if self.cancelled is not None and self.cancelled():
            raise Cancelled

    def at(self, fraction: float) -> None:
        if self.progress is not None:
            self.progress(fraction)


class Sampler:
    """The networks of a bundle, ready to run. Every result follows from the seed alone, on one device."""

    def __init__(self, sessions: Sessions | None = None):
        self.sessions = sessions or Sessions()

    @property
    def device(self) -> str:
        """Where the step runs."""
        return self.sessions["step"].device

    def sample(self, seen: Seen, guide: GuideSurface, start: States | None = None, *, steps: int = STEPS,
               hypotheses: int = 1, seed: int = 0, weights: Weights | None = None, free: Free | None = None,
               noise: tuple[Array, Array, Array] | None = None, guided: bool = True,
               progress: Callable[[float], None] | None = None,
               cancelled: Callable[[], bool] | None = None) -> Sampled:
        """Bodies and objects as B pictures show them.

        start      : (B, ...) another tool's estimate; the star mode then enters at 15/25
        steps      : of the whole way; from a start it is two fifths of them
        hypotheses : the first without noise, the others from noise of this seed
        noise      : in place of the seed's: tokens (B H, 16, 128), body (B H, 19), object (B H, 9)
        progress   : called after every step with the share that is done
        Raises Cancelled soon after cancelled() is true.
        """
        if steps < 1 or hypotheses < 1:
            raise InputError("The sampler cannot run.", f"{steps} steps of {hypotheses} hypotheses were asked for.",
                             "Give at least one of each.")
        watch = _Watch(progress, cancelled)
        first, weights, free = (0.0 if start is None else STAR), weights or Weights(), free or Free.all()
        many = seen.repeated(hypotheses)
        total = len(many.camera)
        each = np.tile(np.arange(hypotheses), len(seen.camera))
        known = (closed_form(many, guide, 2 * np.pi * each / hypotheses) if start is None
                 else start.repeated(hypotheses))
        context = self._context(seen, many, known, start is not None, watch)
        held, scene = free.of(total), self._scene(many, guide)
        x = self._noise(total, context["start_tokens"].shape[1:], each, seed, noise, 1 - first)
        fixed = {**context, **_named("start", known), **held, "camera": many.camera}
        tokens, states, kept = np.zeros_like(x[0]), known, False
        taken = max(1, round(steps * (1 - first)))
        fields: tuple[Array, Array] | None = None
        for k in range(taken):
            stage = k - taken + GUIDED_STEPS
            time = first + (1 - first) * k / taken
            scalars = {"share": 1 / (taken - k + 1) if kept else 0, "keep": KEEP if kept else 0, "body_time": time,
                       "object_time": time, "onward": 0 if guided and stage >= 0 else 1 / (taken - k)}
            found = self._run("step", watch, {
                "x_tokens": x[0], "x_body": x[1], "x_object": x[2], "clean_tokens": tokens, **_named("now", states),
                **{name: np.full(total, value, np.float32) for name, value in scalars.items()},
                **{name: value for name, value in fixed.items() if name != "f_o"}})
            x = tuple(found[f"new_x_{name}"] for name in ("tokens", "body", "object"))
            tokens, states = found["new_clean_tokens"], States(*(found[name] for name in States._fields))
            if (guided and stage >= 0) or k + 1 == taken:
                fields = self._fields(tokens, context, many, guide, watch)
            if guided and stage >= 0:
                rate, kept = RATE * (1 - (1 - LAST_RATE) * stage / GUIDED_STEPS), True
                for _ in range(INNER):
                    states, _ = self._guide(scene, _plain(*fields), weights, held, states, rate, watch)
            watch.at((k + 1) / taken)
        _, energy = self._guide(scene, _plain(*fields), weights, held, states, 0.0, watch)
        energy = energy.sum(1).reshape(-1, hypotheses)
        order = (energy.argsort(1, kind="stable") + hypotheses * np.arange(len(energy))[:, None]).ravel()
        known = context["start_tokens"] + tokens
        return Sampled(states.take(order), np.sort(energy, 1), known[order], context["f_o"][order])

    def predicted(self, found: Sampled, row: int, body: Array, object: Array,
                  cancelled: Callable[[], bool] | None = None) -> tuple[Array, Array]:
        """The InterField of one of found.every as the tokens tell it, (P,) and (Q,) in (0, 1].

        body (P, 3) rest places from the pelvis joint; object (Q, 3) canonical places at its size; metres
        """
        watch, pieces = _Watch(None, cancelled), ([], [])
        for k in range(0, max(len(body), len(object)), CHUNK):
            points = {f"{name}_points": np.ascontiguousarray(part[k:k + CHUNK] if k < len(part) else part[:1],
                                                             np.float32)[None]
                      for name, part in (("body", body), ("object", object))}
            told = self._run("decoder", watch, {"tokens": found.tokens[[row]], "f_o": found.f_o[[row]], **points},
                             ("body", "object"))
            for piece, name in zip(pieces, ("body", "object"), strict=True):
                piece.append(told[name][0])
        body, object = (np.concatenate(part)[:len(points)] for part, points in zip(pieces, (body, object), strict=True))
        return np.clip(body, SMALLEST, 1), np.clip(object, SMALLEST, 1)

    def towards(self, stages: Sequence[Stage], start: States, *, steps: int = PAINT_STEPS,
                weights: Weights | None = None, free: Free | None = None,
                progress: Callable[[float], None] | None = None,
                cancelled: Callable[[], bool] | None = None) -> States:
        """From the start down the gradient to painted fields, the rate falling in each stage; no network is asked."""
        watch, weights, free = _Watch(progress, cancelled), weights or Weights(), free or Free.all()
        held, states, done = free.of(len(start.betas)), start, 0
        counts = [max(1, round(stage.share * steps)) for stage in stages]
        for stage, count in zip(stages, counts, strict=True):
            scene = self._scene(stage.seen, stage.guide)
            for k in range(count):
                rate = RATE * SETTLED ** (k / count)
                states, _ = self._guide(scene, stage.goal, weights, held, states, rate, watch)
                done += 1
                watch.at(done / sum(counts))
        return states

    def _context(self, seen: Seen, many: Seen, known: States, started: bool, watch: _Watch) -> dict[str, Array]:
        """f_o, start_tokens, keys, pose."""
        total = len(many.camera)
        image = self._run("encoder", watch, {"image": seen.image})["tokens"]
        told = {name: value for name, value in many._asdict().items() if name != "image"}
        return self._run("context", watch, {
            **told, **known._asdict(), "image_tokens": np.repeat(image, total // len(image), 0),
            "started": np.full(total, started, np.float32), "scale": np.full(total, UNKNOWN, np.float32)})

    def _fields(self, tokens: Array, context: dict[str, Array], seen: Seen, guide: GuideSurface, watch: _Watch
                ) -> tuple[Array, Array]:
        rest = np.repeat(guide.rest[None], len(tokens), 0)
        found = self._run("decoder", watch, {
            "tokens": context["start_tokens"] + tokens, "f_o": context["f_o"], "body_points": rest,
            "object_points": seen.object_points}, ("body", "object"))
        return found["body"], found["object"]

    def _scene(self, seen: Seen, guide: GuideSurface) -> dict[str, Array]:
        """What guidance measures on, as its graph takes it."""
        names = ("maps", "pixels", "landmarks", "confidence", "camera", "seen", "object_points")
        return {**{name: getattr(seen, name) for name in names}, **vars(guide.surface), "landmark": guide.landmark}

    def _guide(self, scene: dict[str, Array], goal: Goal, weights: Weights, held: dict[str, Array], states: States,
               rate: float, watch: _Watch) -> tuple[States, Array]:
        """One step down the gradient, and the energies (B, 4) before it."""
        found = self._run("guide", watch, {
            **scene, **goal._asdict(), **_named("now", states), "term_weights": np.array(astuple(weights), np.float32),
            "rate": np.full(len(states.betas), rate, np.float32),
            **{name: value for name, value in held.items() if name != "free_betas"}})
        return States(*(found[name] for name in States._fields)), found["energy"]

    def _run(self, model: str, watch: _Watch, feeds: dict[str, Array], outputs: tuple[str, ...] | None = None
             ) -> dict[str, Array]:
        watch.check()
        return self.sessions[model].run(feeds, outputs, watch.cancelled)

    @staticmethod
    def _noise(total: int, tokens: tuple[int, ...], each: Array, seed: int,
               given: tuple[Array, Array, Array] | None, size: float) -> tuple[Array, ...]:
        """Where the coordinates begin: without noise for each picture's first hypothesis."""
        shapes = (total, *tokens), (total, BODY), (total, OBJECT)
        if given is None:
            rng = np.random.default_rng(seed)
            given = tuple(rng.standard_normal(shape, np.float32) for shape in shapes)
        size = np.where(each > 0, size, 0).astype(np.float32)
        return tuple(np.asarray(part, np.float32) * size.reshape(-1, *[1] * (part.ndim - 1)) for part in given)


def _named(prefix: str, states: States) -> dict[str, Array]:
    return {f"{prefix}_{name}": value for name, value in states._asdict().items()}


def _plain(body: Array, object: Array) -> Goal:
    """What the decoded fields ask for, every point as much as any."""
    return Goal(body, np.ones_like(body), object, np.ones_like(object))
