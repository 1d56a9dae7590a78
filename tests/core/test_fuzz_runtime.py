"""Thousands of damaged bundles and messages: each is refused with a reason or harmless, none is a traceback or a hang.

Every case follows from its number, so a failure names what to run again.
"""

from __future__ import annotations

import contextlib
import copy
import faulthandler
import io
import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx_models
import pytest

from lexis_core.errors import BundleError, LexisError
from lexis_core.runtime.bundle import MANIFEST, Bundle, describe, open_bundle, seal_bundle
from lexis_core.runtime.client import LAST, _event
from lexis_core.runtime.onnx_reading import read_onnx
from lexis_core.runtime.protocol import Message, ProtocolError, read_message, write_message
from lexis_core.runtime.worker import Server

ROOT = Path(__file__).resolve().parents[2]
HANG = 60  # seconds after which a case counts as hanging: the process then ends with every thread's stack

STRANGE: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, -(2**63), 10**40, 10**400, 0.5, -0.0, 1e308, float("inf"), float("nan"),
    "", "x", "../x", "/etc/passwd", "C:\\x", "a\0b", "\ud800", "a\nb", "LICENSE", "models/a.onnx", MANIFEST, "é" * 300,
    "float32", "float3", [], [[]], [-1], [2**40, 2**40], [None], {}, {"": {}}, {"x": None},
    {"file": "LICENSE", "licence": "MIT", "inputs": {}, "outputs": {}}, {"size": 4, "sha256": "0" * 64})


@pytest.fixture(autouse=True)
def no_hang():
    faulthandler.dump_traceback_later(HANG, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


def places(value: Any) -> list[tuple[Any, Any]]:
    """(holder, key) of every value inside a JSON value."""
    found, left = [], [value]
    while left:
        holder = left.pop()
        keys = list(holder) if isinstance(holder, dict) else range(len(holder)) if isinstance(holder, list) else ()
        found += [(holder, key) for key in keys]
        left += [holder[key] for key in keys]
    return found


def warped(value: Any, rng: random.Random) -> Any:
    """A copy of a JSON value with one to three of its parts replaced, removed, moved or named anew."""
    value = copy.deepcopy(value)
    for _ in range(rng.randint(1, 3)):
        ways = places(value)
        if not ways:
            return copy.deepcopy(rng.choice(STRANGE))
        holder, key = rng.choice(ways)
        act = rng.randrange(6)
        if act == 0:
            del holder[key]
        elif act == 1 and isinstance(holder, dict):
            holder[str(rng.choice(STRANGE))] = holder.pop(key)
        elif act == 2:
            for _ in range(rng.choice((3, 60, 950))):
                holder[key] = [holder[key]] if rng.random() < 0.5 else {"a": holder[key]}
        else:
            holder[key] = copy.deepcopy(rng.choice(STRANGE))
    return value


def bitten(data: bytes, rng: random.Random) -> bytes:
    """The bytes with some changed, cut out, doubled or put in."""
    data = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data) + 1)
        until = min(len(data), at + rng.choice((1, 1, 2, 8, 100)))
        act = rng.randrange(5)
        if act == 0:
            data[at:until] = rng.randbytes(until - at)
        elif act == 1:
            del data[at:until]
        elif act == 2:
            data[at:at] = data[at:until]
        elif act == 3:
            data[at:at] = rng.choice((b"\0", b"\xff" * 4, b"[" * 2000, b"LEXW", b'"', b"}", b"1e999", b"NaN"))
        else:
            del data[at:]
    return bytes(data)


def dumped(value: Any) -> bytes:
    try:
        return json.dumps(value).encode()
    except RecursionError:
        return b"[" * 3000


def hostile(value: Any, rng: random.Random) -> bytes:
    """JSON text that is wrong in its meaning, its bytes, or both."""
    text = dumped(warped(value, rng)) if rng.random() < 0.7 else dumped(value)
    return bitten(text, rng) if rng.random() < 0.4 and text else text


def each(count: int, try_one: Callable[[random.Random], None]) -> None:
    """Try that many cases; an AssertionError names the one that failed."""
    for number in range(count):
        try:
            try_one(random.Random(number))
        except Exception as error:
            raise AssertionError(f"case {number}: {type(error).__name__}: {error}") from error


def sound(error: LexisError) -> None:
    """Three sentences that can be shown and logged."""
    assert all(part and len(part) < 2000 and part.encode() for part in error.args)


def test_a_damaged_manifest_is_refused_or_harmless(tmp_path):
    folder = tmp_path / "bundle"
    (folder / "models").mkdir(parents=True)
    onnx_models.doubling(folder / "models" / "a.onnx")
    (folder / "LICENSE").write_text("free")
    seal_bundle(folder, "small", {"a": describe(folder, "models/a.onnx", "MIT")}, {"sigma": 0.1}, "LICENSE")
    manifest = json.loads((folder / MANIFEST).read_bytes())
    opened = 0

    def attempt(rng):
        nonlocal opened
        (folder / MANIFEST).write_bytes(hostile(manifest, rng))
        try:
            bundle = open_bundle(folder)
        except BundleError as error:
            sound(error)
        else:
            assert isinstance(bundle, Bundle) and all(bundle.path(model).is_file() for model in bundle.models)
            opened += 1

    each(1500, attempt)
    assert 20 < opened < 700  # names, licences and what the sampler is told may be anything


def test_a_damaged_model_is_refused_or_harmless(tmp_path):
    models = [make(tmp_path / "m.onnx").read_bytes() for make in (
        onnx_models.doubling, onnx_models.endless, onnx_models.branching, onnx_models.calling)]

    def attempt(rng):
        with contextlib.suppress(ValueError):
            found = read_onnx(bitten(rng.choice(models), rng))
            assert isinstance(found.operators, set)

    each(1000, attempt)


def written(header: dict, arrays: dict | None = None) -> bytes:
    stream = io.BytesIO()
    write_message(stream, header, arrays)
    return stream.getvalue()


def framed(header: bytes, data: bytes) -> bytes:
    return b"LEXW\x01\x00" + len(header).to_bytes(4, "little") + header + data


MESH = {"body_vertices": np.eye(3, dtype=np.float32), "body_faces": np.array([[0, 1, 2]], np.int32),
        "object_vertices": np.eye(3, dtype=np.float32) + 1, "object_faces": np.array([[0, 1, 2]], np.int32)}
SPECS = [{"name": name, "dtype": array.dtype.name, "shape": list(array.shape)} for name, array in MESH.items()]
DATA = b"".join(array.tobytes() for array in MESH.values())
REQUESTS = (
    ({"id": 1, "kind": "interfield", "sigma": 0.1, "arrays": SPECS}, DATA),
    ({"id": 2, "kind": "hello", "arrays": []}, b""),
    ({"id": 3, "kind": "cancel", "job": 1, "arrays": []}, b""),
    ({"id": 4, "kind": "reconstruct", "image": "none.jpg", "object": "ball", "box": [1, 2, 30, 40], "steps": 3,
      "object_parameters": {"radius": 0.2}, "weights": {"field": 1.0}, "seed": 1, "hypotheses": 2, "device": "cpu",
      "arrays": []}, b""),
    ({"id": 5, "kind": "refine", "pins": {"body": True, "joints": ["neck"]},
      "arrays": [{"name": "meta", "dtype": "utf8", "shape": [2]}]}, b"{}"))


def request(rng: random.Random) -> bytes:
    """A message that is damaged at one of the levels where it can be."""
    header, data = rng.choice(REQUESTS)
    act = rng.randrange(4)
    if act == 0:
        return bitten(framed(dumped(header), data), rng)
    if act == 1:
        return framed(hostile(header, rng), data)
    return framed(dumped(warped(header, rng)), bitten(data, rng) if data and act == 2 else data)


def test_a_damaged_message_is_read_or_refused():
    def attempt(rng):
        stream = io.BytesIO(request(rng) + written({"id": 9}))
        try:
            while (message := read_message(stream)) is not None:
                assert isinstance(message.header, dict)
        except ProtocolError as error:
            sound(error)

    each(1500, attempt)


def answers(data: bytes) -> list[Message]:
    stream, found = io.BytesIO(data), []
    while (message := read_message(stream)) is not None:
        found.append(message)
    return found


def test_a_damaged_request_is_answered_or_refused():
    def attempt(rng):
        sink = io.BytesIO()
        Server(io.BytesIO(request(rng) + written({"id": 9, "kind": "shutdown"})), sink).serve()
        for message in answers(sink.getvalue()):
            assert message.header["kind"] in ("progress", *LAST)
            assert message.header.get("type") != "internal", message.header
            assert _event(message).kind in ("progress", *LAST)

    each(400, attempt)


def test_a_damaged_answer_is_an_event_all_the_same():
    told = [{"id": 1, "kind": "progress", "stage": "flow", "fraction": 0.5}, {"id": 1, "kind": "cancelled"},
            {"id": 1, "kind": "result", "count": 1},
            {"id": 1, "kind": "error", "type": "InputError", "what": "a", "why": "b", "remedy": "c"}]

    def attempt(rng):
        header = warped(rng.choice(told), rng)
        event = _event(Message(header if isinstance(header, dict) else {}))
        assert type(event.job) is int and 0 <= event.fraction <= 1 and event.kind in ("progress", *LAST)
        assert (event.kind in ("error", "cancelled")) == isinstance(event.error, LexisError)

    each(500, attempt)


def test_a_real_worker_stands_damaged_streams_to_its_end():
    """Each stream holds several damaged requests; what follows one that breaks the framing is not read."""
    def attempt(rng):
        data = b"".join(request(rng) for _ in range(4)) + written({"id": 9, "kind": "shutdown"})
        run = subprocess.run([sys.executable, "-m", "lexis_core.runtime.worker"], cwd=ROOT, input=data,
                             capture_output=True, timeout=HANG / 2)
        assert run.returncode in (0, 1) and b"Traceback" not in run.stderr, run.stderr
        for message in answers(run.stdout):
            assert message.header.get("type") != "internal", message.header

    each(24, attempt)
