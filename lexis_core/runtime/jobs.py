"""What the worker can be asked to do: requests checked against a table, then done."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from reprlib import repr as shown
from typing import Any

import numpy as np

from lexis_core.errors import Cancelled, InputError, LexisError
from lexis_core.mesh import Mesh
from lexis_core.runtime.protocol import Message

Array = np.ndarray
Progress = Callable[[str, float], None]
Answer = tuple[dict[str, Any], dict[str, Array]]

NUMBER = 1 << 53        # the largest whole number JSON keeps
MAX_HYPOTHESES = 256
MAX_STEPS = 1000
FIELD = ("body", "object", "body_distance", "object_distance", "body_inside", "object_inside")


def run(message: Message, progress: Progress, cancelled: Callable[[], bool]) -> Answer:
    """Header and arrays of the answer to a request. LexisError, or Cancelled."""
    kind = message.header.get("kind")
    if not isinstance(kind, str) or kind not in JOBS:
        raise _refused(f"There is no request {shown(kind)}.", f"Use one of {', '.join(JOBS)}.")
    job, options, arrays = JOBS[kind]
    given = {name: value for name, value in message.header.items() if name not in ("id", "kind")}
    return job(_options(kind, given, options), _arrays(kind, message.arrays, arrays), progress, cancelled)


def interfield(options: dict, arrays: dict[str, Array], progress: Progress, cancelled: Callable[[], bool]) -> Answer:
    """The InterFields of two meshes in one frame."""
    from lexis_core.interfield import measure
    start = time.perf_counter()
    field = measure(_mesh("body", arrays), _mesh("object", arrays), **options)
    return ({"sigma": field.sigma, "seconds": round(time.perf_counter() - start, 4)},
            {name: getattr(field, name) for name in FIELD})


def reconstruct(options: dict, arrays: dict[str, Array], progress: Progress, cancelled: Callable[[], bool]) -> Answer:
    """All hypotheses of a photo, best first."""
    start = time.perf_counter()
    sessions = _sessions(options)
    from lexis_core import pipeline
    image = _one_of("image", options.pop("image", None), arrays.get("image"))
    given = {name: _one_of(name, options.pop(name, None), arrays.get(name), needed=False)
             for name in ("person_mask", "object_mask")}
    thing = _object(options, arrays)
    results = pipeline.reconstructions(image, thing, **given, **options, progress=progress, cancelled=cancelled,
                                       sessions=sessions)
    return _answer(results, start)


def refine(options: dict, arrays: dict[str, Array], progress: Progress, cancelled: Callable[[], bool]) -> Answer:
    """A result that goes on from its own state, or towards a painted field."""
    start = time.perf_counter()
    sessions = _sessions(options)
    from lexis_core import pipeline
    from lexis_core.reconstruction import from_arrays
    painted = {name: arrays.pop(f"painted_{name}", None) for name in PAINTED}
    if any(part is not None for part in painted.values()):
        if any(part is None for part in painted.values()):
            raise _refused("A painted field is not whole.", f"Give painted_ and each of {', '.join(PAINTED)}.")
        options["painted"] = pipeline.Painted(**painted)
    pins = options.pop("pins", {})
    options["pins"] = pipeline.Pins(**{**pins, "joints": tuple(pins.get("joints", ()))})
    result = pipeline.refine(from_arrays(arrays), **options, progress=progress, cancelled=cancelled,
                             sessions=sessions)
    return _answer((result,), start)


def prepare(options: dict, arrays: dict[str, Array], progress: Progress, cancelled: Callable[[], bool]) -> Answer:
    """Everything a reconstruction needs is imported and opened; which device it will run on, and why not a better."""
    start = time.perf_counter()
    sessions = _sessions(options)
    from lexis_core import pipeline  # noqa: F401
    from lexis_core.body import load_body
    load_body(None)
    opened = []
    for model in sessions.models:
        if cancelled():
            raise Cancelled
        opened.append(sessions[model])
    return {"device": opened[0].device, "why_not": opened[0].why_not,
            "seconds": round(time.perf_counter() - start, 3)}, {}


_opened: dict[str, Any] = {}


def _sessions(options: Mapping[str, Any]):
    """The networks of the device asked for, kept open from job to job; those of another device are let go.

    They open on a thread while the caller imports the rest, which takes about as long.
    """
    from lexis_core.runtime.session import Sessions
    device = options.get("device", "auto")
    if device not in _opened:
        for sessions in _opened.values():
            sessions.release()
        _opened.clear()
        _opened[device] = Sessions(device=device)
    if options.get("method") != "estimate":
        _opened[device].open_beside(_opened[device].models)
    return _opened[device]


def _answer(results: tuple, start: float) -> Answer:
    from lexis_core.reconstruction import to_arrays
    arrays = {f"{number}.{name}": array for number, result in enumerate(results)
              for name, array in to_arrays(result).items()}
    return {"count": len(results), "seconds": round(time.perf_counter() - start, 3),
            "device": results[0].info["device"]}, arrays


def _object(options: dict, arrays: dict[str, Array]):
    """The object of a reconstruct request, whichever way it was given; its options are taken out."""
    from lexis_core.objects.library import make
    from lexis_core.objects.load import load_object, object_of
    from lexis_core.objects.model import sized
    path, name = options.pop("object", None), options.pop("object_name", "object")
    parameters = options.pop("object_parameters", None)
    units, up = options.pop("object_units", None), options.pop("object_up", "y")
    mesh = "object_vertices" in arrays or "object_faces" in arrays
    if mesh == (path is not None):
        raise _refused("The object is missing or was given twice.",
                       "Give either object, or object_vertices and object_faces.")
    size = options.pop("object_size", None)
    if mesh:
        thing = object_of(_mesh("object", arrays), name, units, up)
    else:
        thing = make(path, **parameters) if parameters is not None else load_object(path, units, up)
    return thing if size is None else sized(thing, size)


def _mesh(name: str, arrays: Mapping[str, Array]) -> Mesh:
    try:
        vertices, faces = arrays[f"{name}_vertices"], arrays[f"{name}_faces"]
    except KeyError as error:
        raise _refused(f"The array {error} is missing.", "Give the vertices and the faces.") from None
    if faces.size and not (faces.min() >= 0 and faces.max() < len(vertices)):
        raise _refused(f"{name}_faces name vertices that are not there.", "Export the mesh again.")
    return Mesh(vertices, faces)


def _one_of(name: str, path: str | None, array: Array | None, needed: bool = True):
    if (path is not None and array is not None) or (needed and path is None and array is None):
        raise _refused(f"{name} is missing or was given twice.", "Give a path or an array.")
    return path if array is None else array


def _text(value: Any) -> bool:
    return isinstance(value, str) and "\0" not in value


def _number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < NUMBER


def _whole(low: int, high: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and low <= value <= high


def _box(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 4 and all(map(_number, value))


def _numbers(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_number, value.values()))


def _parameters(value: Any) -> bool:
    return isinstance(value, dict) and all(_number(v) or _text(v) or type(v) is bool for v in value.values())


def _pins(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() <= {"body", "object", "joints"} and all(
        isinstance(part, list) and all(map(_text, part)) if name == "joints" else type(part) is bool
        for name, part in value.items())


_SOLVE = {"body": _text, "steps": _whole(1, MAX_STEPS), "weights": _numbers, "seed": _whole(0, NUMBER),
          "device": _text}
_RECONSTRUCT = {**_SOLVE, "image": _text, "person_mask": _text, "object_mask": _text, "box": _box, "object_box": _box,
                "focal": _number, "init": _text, "method": _text, "hypotheses": _whole(1, MAX_HYPOTHESES),
                "object": _text, "object_name": _text, "object_up": _text, "object_units": _text,
                "object_parameters": _parameters, "object_size": lambda value: _number(value) and 1e-3 <= value <= 1e3}
# array: dtypes and shape; None is any length, letters are lengths that must agree
_MESHES = {f"{name}_{part}": spec for name in ("body", "object")
           for part, spec in (("vertices", (("float32",), (None, 3))), ("faces", (("int32",), (None, 3))))}
_PICTURE = {"image": (("uint8",), (None, None, 3)), "person_mask": (("uint8", "bool"), (None, None)),
            "object_mask": (("uint8", "bool"), (None, None)),
            **{name: spec for name, spec in _MESHES.items() if name.startswith("object")}}
PAINTED = {"body": ("float32",), "body_mask": ("bool",), "object": ("float32",), "object_mask": ("bool",)}
_REFINE = {f"painted_{name}": (types, (None,)) for name, types in PAINTED.items()}
JOBS = {
    "prepare": (prepare, {"device": _text}, {}),
    "reconstruct": (reconstruct, _RECONSTRUCT, _PICTURE),
    "refine": (refine, {**_SOLVE, "pins": _pins}, _REFINE),
    "interfield": (interfield, {"sigma": _number}, _MESHES),
}


def _options(kind: str, given: Mapping[str, Any], known: Mapping[str, Callable[[Any], bool]]) -> dict[str, Any]:
    """The options that were given; null stands for the default."""
    for name, value in given.items():
        if name not in known:
            raise _refused(f"{kind} has no option {shown(name)}.", f"Use {', '.join(known)}.")
        if value is not None and not known[name](value):
            raise _refused(f"{name} cannot be {shown(value)}.", "See docs/runtime.md for what each option takes.")
    return {name: value for name, value in given.items() if value is not None}


def _arrays(kind: str, given: Mapping[str, Array], known: Mapping) -> dict[str, Array]:
    for name, array in given.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise _refused(f"The array {shown(name)} holds NaN or infinity.", "Give finite numbers.")
        if name not in known and kind == "refine":
            continue  # a result's, which from_arrays() checks
        if name not in known:
            raise _refused(f"{kind} takes no array {shown(name)}.", f"Use {', '.join(known)}.")
        types, shape = known[name]
        if array.dtype.name not in types or len(array.shape) != len(shape) or any(
                want not in (None, got) for want, got in zip(shape, array.shape, strict=True)):
            raise _refused(f"The array {name} is {array.dtype} {array.shape}.",
                           f"Give {' or '.join(types)} {str(shape).replace('None', 'any')}.")
    return dict(given)


def _refused(why: str, remedy: str) -> LexisError:
    return InputError("The worker refused the request.", why, remedy)
