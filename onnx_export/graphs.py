"""The five graphs of a bundle: what they take and give, by name, and the torch functions they are traced from.

"B" is any number of pictures, "P" and "Q" any numbers of body and object points, "N" is P and the landmarks, "T" any
number of steps. Names of what goes in and what comes out never meet in one graph, for ONNX wants every name once.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from lexis_core.learn.flow_state import BODY, OBJECT, Coordinates, Free, Reference, States
from lexis_core.learn.flow_step import Moving, Share, prepared, step
from lexis_core.learn.guidance import Scene, guide, interfield_goal
from lexis_core.learn.observed import Observed
from lexis_core.learn.sampler import GUIDE_POINTS, Flow
from lexis_core.learn.surface import Surface
from lexis_core.runtime.bundle import HALF
from lexis_core.runtime.sampler import Shares
from lexis_core.runtime.seen import LANDMARKS, PIXELS, SIDE
from onnx_export.lean import NORMS, Kept, LeanFlow, Paces, apart

Shape = tuple[int | str, ...]
Shapes = Mapping[str, Shape]

STATES: Shapes = {"theta": ("B", 21, 3, 3), "rotation": ("B", 3, 3), "pelvis": ("B", 3), "betas": ("B", 10),
                  "object_rotation": ("B", 3, 3), "object_position": ("B", 3)}
SURFACE: Shapes = {"template": ("N", 3), "shape": ("N", 3, 10), "normal": ("N", 3), "weights": ("N", 22),
                   "joints": (22, 3), "joint_shape": (22, 3, 10)}
TIMES: Shapes = {"body_time": ("T",), "object_time": ("T",)}
FREE: Shapes = {"free_joints": ("B", 21), "free_body": ("B",), "free_betas": ("B",), "free_object": ("B",)}


class Graph(nn.Module):
    """A function of named tensors.

    inputs, outputs : the shape of each by name, float32 but for `integers`
    """

    integers: tuple[str, ...] = ()

    def __init__(self, name: str, inputs: Shapes, outputs: Shapes):
        super().__init__()
        self.name, self.inputs, self.outputs = name, dict(inputs), dict(outputs)

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        found = self.found(dict(zip(self.inputs, tensors, strict=True)))
        return tuple(found[name] for name in self.outputs)

    def found(self, given: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        raise NotImplementedError


class Encoder(Graph):
    """A picture -> its tokens."""

    def __init__(self, flow: Flow):
        super().__init__("encoder", {"image": ("B", 3, SIDE, SIDE)},
                         {"tokens": ("B", flow.flow.p.image_tokens, flow.flow.p.image_width)})
        self.encoder = flow.encoder

    def found(self, given: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        return {"tokens": self.encoder(given["image"])}


class Picture(Graph):
    """What is made once of what is seen and of the reference."""

    def __init__(self, flow: Flow):
        p = flow.flow.p
        seen: Shapes = {
            "image_tokens": ("B", p.image_tokens, p.image_width), "maps": ("B", 4, SIDE, SIDE), "box": ("B", 3),
            "pixels": ("B", PIXELS, 2), "landmarks": ("B", LANDMARKS, 2), "landmarks_world": ("B", LANDMARKS, 3),
            "confidence": ("B", LANDMARKS), "camera": ("B", 3), "object_points": ("B", GUIDE_POINTS, 3),
            "seen": ("B", 4)}
        super().__init__("context", seen | STATES | {"started": ("B",), "scale": ("B",), **TIMES}, _context(flow))
        self.net, self.flow, self.paces = flow.net, flow.flow, Paces(flow.flow)

    def found(self, given: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        seen = Observed(given["image_tokens"], **{name: given.get(name) for name in Observed._fields[1:]})
        known = States(*(given[name] for name in STATES))
        f_o, reference, context = prepared(self.net, self.flow, seen, known, given["started"], given["scale"],
                                           GUIDE_POINTS)
        keys, values = apart(self.flow, context)
        found = f_o, reference.tokens, context.pose, self.paces(*(given[name] for name in TIMES)), *keys, *values
        return dict(zip(self.outputs, found, strict=True))


class Step(Graph):
    """One step of the sampler: flow_step.step. half : LeanFlow's; what comes in and goes out is the same."""

    def __init__(self, flow: Flow, half: bool = False):
        p, made = flow.flow.p, _context(flow)
        tokens = ("B", p.tokens, p.code_width)
        x: Shapes = {"x_tokens": tokens, "x_body": ("B", BODY), "x_object": ("B", OBJECT), "clean_tokens": tokens}
        shares: Shapes = {name: ("B",) for name in Shares._fields}
        self.kept = {name: shape for name, shape in made.items() if name.startswith(("key", "value"))}
        super().__init__(HALF if half else "step", x | _of("now_", STATES) | shares | {"pace": made["paces"][1:]}
                         | {name: made[name] for name in ("start_tokens", "pose", *self.kept)}
                         | _of("start_", STATES) | {"camera": ("B", 3)} | FREE, _of("new_", x) | STATES)
        self.flow = LeanFlow(flow.flow, half)

    def found(self, given: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        x, clean = Coordinates(*(given[f"x_{name}"] for name in Coordinates._fields)), given["clean_tokens"]
        now, known = (States(*(given[before + name] for name in STATES)) for before in ("now_", "start_"))
        shares = [given[name] for name in Shares._fields]
        keys = [given[name] for name in self.kept]
        layers = len(keys) // 2
        kept = Kept(tuple(keys[:layers]), tuple(keys[layers:]), given["pose"], given["pace"])
        reference = Reference(known, torch.ones_like(shares[0]) > 0, given["start_tokens"])
        share = Share(*shares, body=None, object=None)  # the times are in the pace
        moved = step(self.flow, Moving(x, clean, now), share, kept, reference, given["camera"][:, 0],
                     Free(*(given[name] for name in FREE)))
        found = (*moved.x, moved.tokens, *moved.states)
        return dict(zip(self.outputs, found, strict=True))


class Decoder(Graph):
    """Tokens -> the InterFields of both surfaces, the nearest codes, and the pose they stand for."""

    def __init__(self, flow: Flow):
        p = flow.net.p
        super().__init__("decoder", {"tokens": ("B", p.tokens, p.code_width), "f_o": ("B", p.shape),
                                     "body_points": ("B", "P", 3), "object_points": ("B", "Q", 3)},
                         {"body": ("B", "P"), "object": ("B", "Q"), "codes": ("B", p.tokens), "theta": ("B", 21, 6)})
        self.net = flow.net

    integers = ("codes",)

    def found(self, given: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        said = self.net.decode(*(given[name] for name in self.inputs))
        return {"body": said.body, "object": said.object, "codes": self.net.quantiser.indices(given["tokens"]),
                "theta": said.theta}


class Guide(Graph):
    """One step down guidance's gradient, on any body's surface: guidance.guide."""

    integers = ("landmark",)

    def __init__(self, flow: Flow):
        seen: Shapes = {"maps": ("B", 4, SIDE, SIDE), "pixels": ("B", PIXELS, 2), "landmarks": ("B", LANDMARKS, 2),
                        "confidence": ("B", LANDMARKS), "camera": ("B", 3), "seen": ("B", 4)}
        goal: Shapes = {"body_field": ("B", "P"), "object_field": ("B", "Q"), "body_weight": ("B", "P"),
                        "object_weight": ("B", "Q"), "term_weights": (4,), "rate": ("B",)}
        free = {name: shape for name, shape in FREE.items() if name != "free_betas"}
        cloud: Shapes = {"object_points": ("B", "Q", 3), "object_normals": ("B", "Q", 3)}
        super().__init__("guide", _of("now_", STATES) | seen | cloud | SURFACE
                         | {"landmark": (len(flow.landmark),)} | goal | free, STATES | {"energy": ("B", 4)})

    def found(self, given: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        none = given["camera"]
        seen = Observed(**{name: given.get(name, none) for name in Observed._fields})
        scene = Scene(seen, Surface(*(given[name] for name in SURFACE)), given["landmark"], given["object_points"],
                      given["object_normals"])
        goal = interfield_goal(given["body_field"], given["object_field"])
        goal = goal._replace(body_weight=goal.body_weight * given["body_weight"],
                             object_weight=goal.object_weight * given["object_weight"])
        free = Free(given["free_joints"], given["free_body"], given["free_body"], given["free_object"])
        states, energy = guide(States(*(given[f"now_{name}"] for name in STATES)), scene, goal, given["term_weights"],
                               given["rate"], free)
        return dict(zip(STATES, states, strict=True)) | {"energy": energy}


def graphs_of(flow: Flow) -> tuple[Graph, ...]:
    return tuple(graph(flow).eval() for graph in (Encoder, Picture, Step, Decoder, Guide))


def half_step(flow: Flow) -> Graph:
    return Step(flow, half=True).eval()


def _context(flow: Flow) -> dict[str, Shape]:
    """What the steps need of the picture, and of the times."""
    p = flow.flow.p
    looked_at = ("B", p.heads, flow.flow.picture.which.shape[0], p.width // p.heads)
    return {"f_o": ("B", p.shape), "start_tokens": ("B", p.tokens, p.code_width), "pose": ("B", p.width),
            "paces": ("T", p.layers * 2 * 2 * NORMS * p.width),
            **{f"{name}{k}": looked_at for name in ("key", "value") for k in range(p.layers)}}


def _of(before: str, shapes: Shapes) -> dict[str, Shape]:
    return {before + name: shape for name, shape in shapes.items()}
