"""The bundle's golden vectors: one small input led through all five graphs, and what torch made of it on the way.

Whoever doubts a device, or a build of ONNX Runtime, asks here whether the graphs still say what they said when they
were written. The way through the graphs is the sampler's, one step long.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from lexis_core.errors import BundleError
from lexis_core.runtime.bundle import Bundle
from lexis_core.runtime.sampler import Shares
from lexis_core.runtime.session import Sessions

Array = np.ndarray
Run = Callable[[str, Mapping[str, Array]], Mapping[str, Array]]

FILE = "golden.npz"
GIVEN, FOUND = "given.", "found."
TOLERANCE = 1e-3  # of the larger of 1 and the number itself
LARGE = ("context.key", "context.value", "context.paces")  # left out of the file: what steps make of it is in it
STATES = ("theta", "rotation", "pelvis", "betas", "object_rotation", "object_position")
SEEN = ("maps", "pixels", "landmarks", "confidence", "camera", "seen", "object_points")
SURFACE = ("template", "shape", "normal", "weights", "joints", "joint_shape", "landmark")


def check(bundle: Bundle, sessions: Sessions | None = None) -> dict[str, float]:
    """How far each graph's outputs are from the golden ones at most, in shares of the larger of 1 and the number.

    Raises BundleError when the bundle has no golden vectors, or an answer is further off than TOLERANCE.
    """
    remedy = "Install LEXIS again, choose the device cpu, or install another version of onnxruntime."
    if not bundle.golden:
        raise BundleError(f"The model bundle {bundle.folder} cannot be checked.", "It has no golden vectors.",
                          "Use a bundle that onnx_export wrote.")
    sessions = sessions or Sessions(bundle)
    try:
        with np.load(bundle.folder / bundle.golden, allow_pickle=False) as file:
            given = {name.removeprefix(GIVEN): file[name] for name in file.files if name.startswith(GIVEN)}
            known = {name.removeprefix(FOUND): file[name] for name in file.files if name.startswith(FOUND)}
        found = through(lambda name, feeds: sessions[name].run(feeds), given)
        gaps = {name: _gap(found[name], value) for name, value in known.items()}
    except (KeyError, ValueError, OSError) as error:
        raise BundleError(f"The model bundle {bundle.folder} cannot be checked.",
                          f"Its golden vectors do not fit its graphs ({error}).", remedy) from error
    worst = {model: max(gap for name, gap in gaps.items() if name.startswith(f"{model}."))
             for model in dict.fromkeys(name.split(".")[0] for name in gaps)}
    if off := [f"{model} by {gap:.2g}" for model, gap in worst.items() if not gap <= TOLERANCE]:
        raise BundleError(f"The model bundle {bundle.folder} does not run as it was written.",
                          f"These graphs are off: {', '.join(off)}.", remedy)
    return worst


def through(run: Run, given: Mapping[str, Array]) -> dict[str, Array]:
    """Every output, by "graph.name", of the way from a picture to a guided step.

    given : what is seen, the states to begin at, noise, the surface, weights and times, by the graphs' own names
    """
    found: dict[str, Array] = {}

    def ask(model: str, feeds: Mapping[str, Array], title: str = "") -> Mapping[str, Array]:
        answer = run(model, feeds)
        found.update({f"{title or model}.{name}": value for name, value in answer.items()})
        return answer

    def of(*names: str) -> dict[str, Array]:
        return {name: given[name] for name in names}

    states, free = of(*STATES), of("free_joints", "free_body", "free_object")
    tokens = ask("encoder", of("image"))["tokens"]
    picture = ask("context", {**of(*SEEN, "box", "landmarks_world", "started", "scale", "body_time",
                                 "object_time"), **states, "image_tokens": tokens})
    context = {name: value for name, value in picture.items() if name not in ("f_o", "paces")}
    moved = ask("step", {
        **of("x_tokens", "x_body", "x_object", "clean_tokens", *Shares._fields, "camera", "free_betas"),
        **free, **_named("now_", states), **_named("start_", states), **context, "pace": picture["paces"][0]})
    fields = ask("decoder", {"tokens": context["start_tokens"] + moved["new_clean_tokens"], "f_o": picture["f_o"],
                             **of("body_points", "object_points")})
    goal = {"body_field": fields["body"], "object_field": fields["object"],
            **of("body_weight", "object_weight", "term_weights", "rate")}
    scene = {**of(*SEEN, "object_normals", *SURFACE), **goal, **free}
    ask("guide", {**scene, **_named("now_", {name: moved[name] for name in STATES})})
    ask("guide", _touching(scene, states), "guide.touching")
    return found


def _touching(scene: Mapping[str, Array], states: Mapping[str, Array]) -> dict[str, Array]:
    """Everything at one place, where roots have no slope: the body and the object are points at the pelvis, every
    landmark and pixel is exactly met, every point is wanted and found in contact. All normals are one, for all tie."""
    flat = {name: np.zeros_like(scene[name]) for name in ("template", "shape", "joints", "joint_shape", "landmarks",
                                                          "pixels", "object_points")}
    flat["object_normals"] = np.zeros_like(scene["object_normals"]) + np.float32([0, 1, 0])
    ones = {name: np.ones_like(scene[name]) for name in ("body_field", "object_field")}
    pelvis = states["pelvis"] * np.float32([0, 0, 1])
    at = {**states, "pelvis": pelvis, "object_position": pelvis}
    return {**scene, **flat, **ones, **_named("now_", at), "camera": scene["camera"] * np.float32([1, 0, 0])}


def _named(prefix: str, states: Mapping[str, Array]) -> dict[str, Array]:
    return {prefix + name: value for name, value in states.items()}


def _gap(found: Array, known: Array) -> float:
    """NaN where either is."""
    if found.shape != known.shape:
        raise ValueError(f"{found.shape} in place of {known.shape}")
    return float(np.max(np.abs(found.astype(np.float64) - known) / np.maximum(np.abs(known), 1)))
