"""The worker does its jobs in a process of its own, and however that process ends, its caller is told."""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import trimesh

from lexis_core.errors import BundleError, Cancelled, InputError, LexisError
from lexis_core.interfield import measure
from lexis_core.mesh import Mesh
from lexis_core.reconstruction import from_arrays, to_arrays
from lexis_core.runtime.client import Worker, WorkerDied
from lexis_core.runtime.protocol import ProtocolError, read_message, write_message

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "lexis_core" / "data" / "demo"
PHOTO = {"image": str(DEMO / "camera.png"), "object": "tripod", "person_mask": str(DEMO / "person_mask.png"),
         "method": "estimate"}
WAIT = 60


@pytest.fixture(scope="module")
def worker():
    with Worker() as started:
        yield started


def mesh_arrays(shift: float = 0.05) -> tuple[dict[str, np.ndarray], Mesh, Mesh]:
    ball = trimesh.creation.icosphere(subdivisions=2, radius=0.3)
    box = trimesh.creation.box((0.3, 0.4, 0.5)).subdivide()
    body, thing = (Mesh((shape.vertices + offset).astype(np.float32), shape.faces.astype(np.int32))
                   for shape, offset in ((ball, 0.0), (box, shift)))
    return {"body_vertices": body.vertices, "body_faces": body.faces,
            "object_vertices": thing.vertices, "object_faces": thing.faces}, body, thing


def ask(worker: Worker, kind: str, options: dict | None = None, arrays: dict | None = None):
    return worker.wait(worker.submit(kind, options, arrays), WAIT)


def works(worker: Worker) -> bool:
    return ask(worker, "interfield", {}, mesh_arrays()[0]).kind == "result"


def test_hello_says_who_answers_and_on_what(worker):
    told = ask(worker, "hello").header
    assert told["pid"] == worker.pid != os.getpid() and told["protocol"] == 1
    assert "cpu" in told["devices"] and set(told["devices"]).isdisjoint(told["why_not"])
    assert told["bundle"] == "lexis-default" and told["onnxruntime"][0].isdigit()


def test_prepare_opens_every_network_and_says_where_it_will_run(worker):
    told = ask(worker, "prepare", {"device": "cpu"})
    assert told.kind == "result" and told.header["device"] == "cpu" and told.header["why_not"] == ""
    assert "abacus" in ask(worker, "prepare", {"device": "abacus"}).error.what


def test_an_interfield_is_the_one_measured_here(worker):
    arrays, body, thing = mesh_arrays()
    event, expected = ask(worker, "interfield", {"sigma": 0.2}, arrays), measure(body, thing, 0.2)
    assert event.header["sigma"] == 0.2
    assert event.arrays.keys() == {"body", "object", "body_distance", "object_distance", "body_inside",
                                   "object_inside"}
    for name, array in event.arrays.items():
        assert array.dtype == getattr(expected, name).dtype and np.array_equal(array, getattr(expected, name))


def test_a_reconstruction_comes_back_whole_with_its_progress(worker):
    told = []
    _, _, thing = mesh_arrays()
    options = {name: value for name, value in PHOTO.items() if name != "object"}
    event = worker.wait(worker.submit("reconstruct", options | {"object_name": "Crate.001", "object_up": "z"}, {
        "object_vertices": thing.vertices, "object_faces": thing.faces}), WAIT, lambda *step: told.append(step))
    assert event.kind == "result", event.error
    assert event.header["count"] == 1 and event.header["device"] in ("cpu", "cuda") and event.header["seconds"] > 0
    result = from_arrays({name.removeprefix("0."): array for name, array in event.arrays.items()})
    assert result.object.name == "Crate.001" and result.info["method"] == "estimate"
    assert np.allclose(np.sort(np.ptp(result.object.mesh.vertices, axis=0)), (0.3, 0.4, 0.5), atol=1e-5)
    fractions = [fraction for _, fraction in told]
    assert fractions == sorted(fractions) and fractions[-1] == 1.0 and {"observe", "body"} < {s for s, _ in told}
    assert {name: array.dtype for name, array in to_arrays(result).items()} == {
        name.removeprefix("0."): array.dtype for name, array in event.arrays.items()}


def test_a_result_goes_on_with_what_is_pinned_as_it_was(worker):
    event = ask(worker, "reconstruct", PHOTO | {"method": "noise", "steps": 3, "hypotheses": 2, "seed": 1})
    assert event.kind == "result" and event.header["count"] == 2, event.error
    assert {name[:2] for name in event.arrays} == {"0.", "1."}
    best = {name.removeprefix("0."): array for name, array in event.arrays.items() if name.startswith("0.")}
    event = ask(worker, "refine", {"pins": {"body": True}, "steps": 5}, best)
    assert event.kind == "result" and event.header["count"] == 1, event.error
    before, after = from_arrays(best), from_arrays({name[2:]: array for name, array in event.arrays.items()})
    assert np.array_equal(after.state.body.body_pose, before.state.body.body_pose)
    assert np.array_equal(after.state.body.translation, before.state.body.translation)
    assert not np.array_equal(after.state.object.translation, before.state.object.translation)


@pytest.mark.parametrize("kind, options, arrays, said", [
    ("dance", {}, {}, "no request 'dance'"),
    ("interfield", {"sgima": 0.1}, {}, "no option 'sgima'"),
    ("interfield", {"sigma": "wide"}, {}, "sigma cannot be 'wide'"),
    ("interfield", {"sigma": True}, {}, "sigma cannot be True"),
    ("interfield", {"sigma": 10**400}, {}, "sigma cannot be 1000"),
    ("interfield", {}, {}, "'body_vertices' is missing"),
    ("interfield", {}, {"soul": np.zeros(3, np.float32)}, "no array 'soul'"),
    ("interfield", {}, {"body_vertices": np.zeros((4, 3))}, "is float64"),
    ("interfield", {}, {"body_vertices": np.zeros((3, 4), np.float32)}, "any, 3"),
    ("interfield", {}, {"body_vertices": np.full((4, 3), np.nan, np.float32)}, "NaN"),
    ("interfield", {}, {"body_faces": np.full((4, 3), 9999, np.int32)}, "not there"),
    ("interfield", {}, {"body_faces": np.zeros((0, 3), np.int32)}, "no faces"),
    ("reconstruct", {"object": "chair"}, {}, "image is missing"),
    ("reconstruct", {"image": "none.jpg"}, {}, "missing or was given twice"),
    ("reconstruct", {"image": "none.jpg", "object": "chair"}, {}, "no such file"),
    ("reconstruct", {"image": "a\0b", "object": "chair"}, {}, "image cannot be"),
    ("reconstruct", {"image": "none.jpg", "object": "chair", "box": [1, 2, 3]}, {}, "box cannot be"),
    ("reconstruct", {"image": "none.jpg", "object": "chair", "steps": 0}, {}, "steps cannot be 0"),
    ("reconstruct", {"image": "none.jpg", "object": "chair", "hypotheses": 10**6}, {}, "hypotheses cannot be"),
    ("reconstruct", {"image": "none.jpg", "object": "chair", "method": "magic"}, {}, "magic"),
    ("reconstruct", {"image": "none.jpg", "object": "chair", "object_parameters": {"legs": 7}}, {}, "legs"),
    ("reconstruct", {"object": "chair"}, {"image": np.full((64, 64, 3), np.nan, np.float32)}, "NaN"),
    ("reconstruct", {"object": "chair"}, {"image": np.zeros((64, 64), np.uint8)}, "any, any, 3"),
    ("reconstruct", {"object": "chair"}, {"image": np.zeros((8, 8, 3), np.uint8)}, "8 x 8"),
    ("reconstruct", {"image": "none.jpg", "object": "chair"}, {"image": np.zeros((64, 64, 3), np.uint8)}, "twice"),
    ("refine", {}, {}, "lacks"),
    ("refine", {"pins": {"nose": True}}, {}, "pins cannot be"),
    ("refine", {}, {"painted_body": np.zeros(3, np.float32)}, "not whole"),
])
def test_a_wrong_request_is_refused_with_its_reason_and_the_next_one_works(worker, kind, options, arrays, said):
    if kind == "interfield" and arrays and "soul" not in arrays:
        arrays = mesh_arrays()[0] | arrays
    event = ask(worker, kind, options, arrays)
    assert event.kind == "error" and isinstance(event.error, InputError), event
    assert said in str(event.error) and event.error.remedy
    assert works(worker)


def test_an_array_the_pipe_does_not_carry_is_refused_on_this_side(worker):
    for array in (np.zeros(3, np.complex64), np.zeros((1, 1, 1, 1, 1), np.float32), np.array([{}])):
        event = ask(worker, "interfield", {}, {"body_vertices": array})
        assert event.kind == "error" and "does not fit" in event.error.why
    assert ask(worker, "interfield", {"sigma": np.float32(1)}).kind == "error"
    assert ask(worker, "interfield", {"sigma": float("nan")}).kind == "error"
    assert works(worker)


def first_progress(worker: Worker, job: int) -> None:
    deadline = time.monotonic() + WAIT
    while not any(event.job == job for event in worker.poll()):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_cancelled_job_ends_as_cancelled_and_the_worker_goes_on(worker):
    job = worker.submit("reconstruct", PHOTO | {"object_mask": str(DEMO / "tripod_mask.png")})
    first_progress(worker, job)
    assert ask(worker, "hello").kind == "result"
    second = ask(worker, "interfield", {}, mesh_arrays()[0])
    assert second.kind == "error" and "busy" in second.error.what
    worker.cancel(job + 1000)
    worker.cancel(job)
    event = worker.wait(job, WAIT)
    assert event.kind == "cancelled" and isinstance(event.error, Cancelled)
    worker.cancel(job)
    assert works(worker)


@pytest.mark.parametrize("end", [s for s in ("SIGSEGV", "SIGKILL", "SIGABRT") if hasattr(signal, s)])
def test_a_worker_that_crashes_is_a_message_to_its_caller(end):
    worker = Worker()
    job = worker.submit("reconstruct", PHOTO)
    first_progress(worker, job)
    os.kill(worker.pid, getattr(signal, end))
    event = worker.wait(job, WAIT)
    assert event.kind == "died" and isinstance(event.error, WorkerDied)
    assert end in event.error.why and not worker.alive
    later = worker.wait(worker.submit("hello"), WAIT)
    assert later.kind == "died" and later.error.why == event.error.why
    assert worker.poll() == []
    worker.cancel(job)
    worker.close()


def test_closing_while_a_job_runs_ends_the_process_and_the_job():
    worker = Worker()
    job = worker.submit("reconstruct", PHOTO)
    first_progress(worker, job)
    worker.close()
    event = worker.wait(job, WAIT)
    assert event.kind == "died" and event.error.why == "It was closed." and not worker.alive


def test_an_idle_worker_ends_well_when_closed(tmp_path):
    log = tmp_path / "log"
    worker = Worker(stderr_path=log)
    assert ask(worker, "hello").kind == "result"
    worker.close()
    assert not worker.alive and log.read_text() == ""


def script(path: Path, *lines: str) -> str:
    path.write_text("\n".join(["#!/bin/sh", *lines]))
    path.chmod(0o755)
    return str(path)


@pytest.mark.skipif(os.name == "nt", reason="needs a shell script")
def test_an_interpreter_that_is_not_there_or_cannot_find_lexis_is_said(tmp_path):
    nowhere = Worker(python=str(tmp_path / "python"))
    assert nowhere.pid is None and not nowhere.alive
    assert "could not be started" in ask(nowhere, "hello").error.why
    nowhere.close()
    lost = Worker(python=script(tmp_path / "lost", f'exec "{sys.executable}" -I -S "$@"'))
    assert "No module named" in ask(lost, "hello").error.why
    lost.close()


@pytest.mark.skipif(os.name == "nt", reason="needs a shell script")
def test_garbage_from_the_worker_ends_it_and_says_so(tmp_path):
    worker = Worker(python=script(tmp_path / "python", "echo LEXIS speaks garbage today", "sleep 60"))
    event = ask(worker, "hello")
    assert event.kind == "died" and "could not be read: It begins with b'LEXI'" in event.error.why
    assert not worker.alive


def raw(data: bytes) -> tuple[int, list]:
    """What a real worker answers to those bytes, and how it ends."""
    run = subprocess.run([sys.executable, "-m", "lexis_core.runtime.worker"], cwd=ROOT, input=data,
                         capture_output=True, timeout=WAIT)
    stream, answers = io.BytesIO(run.stdout), []
    while (message := read_message(stream)) is not None:
        answers.append(message.header)
    assert b"Traceback" not in run.stderr
    return run.returncode, answers


def sent(*headers: dict) -> bytes:
    stream = io.BytesIO()
    for header in headers:
        write_message(stream, header)
    return stream.getvalue()


def test_garbage_to_the_worker_is_answered_once_and_ends_it():
    status, answers = raw(sent({"id": 1, "kind": "hello"}) + b"GET / HTTP/1.1\r\n\r\n")
    assert status == 1 and [answer["kind"] for answer in answers] == ["result", "error"]
    assert answers[1]["type"] == "ProtocolError" and answers[1]["id"] is None


def test_requests_that_are_none_are_answered_one_by_one():
    status, answers = raw(sent({"kind": "hello"}, {"id": "1", "kind": "hello"}, {"id": -1, "kind": "hello"}, {"id": 4},
                               {"id": 5, "kind": ["hello"]}, {"id": 6, "kind": "cancel"}, {"id": 7, "kind": "hello"},
                               {"id": 8, "kind": "shutdown"}, {"id": 9, "kind": "hello"}))
    assert status == 0 and {answer["id"] for answer in answers} <= {None, 4, 5, 7} and answers[-1]["id"] == 7
    assert [answer["kind"] for answer in answers if answer["id"] != 7] == ["error"] * (len(answers) - 1)


def test_the_worker_ends_when_its_input_does():
    assert raw(b"") == (0, [])


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")
def test_the_worker_ends_when_its_parent_is_killed():
    program = ("import time; from lexis_core.runtime.client import Worker; w = Worker(); "
               "w.wait(w.submit('hello'), 60); print(w.pid, flush=True); time.sleep(60)")
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE) as parent:
        child = Path(f"/proc/{int(parent.stdout.readline())}/stat")
        assert child.exists()
        parent.kill()
    deadline = time.monotonic() + WAIT
    while child.exists() and child.read_text().rsplit(")", 1)[1].split()[0] != "Z":
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_missing_bundle_is_said_by_hello_and_by_the_job(tmp_path):
    def without_bundle(folder, names):
        return {"bundle"} if Path(folder).name == "data" else {"__pycache__", "learn", "synthetic", "weights"}

    shutil.copytree(ROOT / "lexis_core", tmp_path / "lexis_core", ignore=without_bundle)
    with Worker(env={"PYTHONPATH": str(tmp_path)}) as worker:
        assert "no such folder" in ask(worker, "hello").header["bundle"]
        error = ask(worker, "reconstruct", PHOTO).error
        assert isinstance(error, BundleError) and "no such folder" in error.why and error.remedy
        assert works(worker)


def test_what_a_library_prints_does_not_reach_the_pipe(tmp_path):
    (tmp_path / "sitecustomize.py").write_text("""
import os, sys, threading, time
def shout():
    while "lexis_core.runtime.protocol" not in sys.modules:
        time.sleep(0.001)
    while True:
        print("noise", flush=True)
        os.write(1, b"more noise\\n")
        time.sleep(0.002)
threading.Thread(target=shout, daemon=True).start()
""")
    environment = {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    with Worker(env=environment) as worker:
        for _ in range(5):
            assert works(worker)
        assert {"noise", "more noise"} <= set(worker.log)


def test_a_cancel_reaches_into_the_networks(worker):
    for _ in range(2):
        job = worker.submit("reconstruct", PHOTO | {"method": "noise", "steps": 900, "hypotheses": 200})
        deadline = time.monotonic() + WAIT
        while not any(event.stage == "flow" for event in worker.poll()):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        worker.cancel(job)
        assert worker.wait(job, WAIT).kind == "cancelled"


def test_waiting_ends_in_time_and_only_for_jobs_there_are(worker):
    job = worker.submit("reconstruct", PHOTO)
    with pytest.raises(TimeoutError):
        worker.wait(job, 0.01)
    worker.cancel(job)
    assert worker.wait(job, WAIT).kind == "cancelled"
    with pytest.raises(ValueError, match="no open job"):
        worker.wait(job, WAIT)


@pytest.mark.parametrize("array", [
    np.arange(6, dtype=np.float32).reshape(2, 3), np.array([True, False]), np.array(3.5), np.array(7, np.int64),
    np.zeros((0, 3), np.int32), np.zeros((2, 0, 4)), np.array("Größe 1 m"), np.array(""),
    np.asfortranarray(np.arange(12, dtype=np.int32).reshape(3, 4)), np.arange(5, dtype=">f4"),
    np.arange(20, dtype=np.uint8)[::2]], ids=lambda a: f"{a.dtype}{a.shape}")
def test_every_kind_of_array_comes_through_the_pipe_as_it_was(array):
    stream = io.BytesIO()
    write_message(stream, {"id": 1, "text": "ä\n"}, {"a": array})
    stream.seek(0)
    message = read_message(stream)
    assert message.header == {"id": 1, "text": "ä\n"} and read_message(stream) is None
    found = message.arrays["a"]
    assert found.shape == array.shape and found.dtype.kind == array.dtype.kind and np.array_equal(found, array)


def test_what_one_side_may_not_say_the_other_does_not_take():
    def taken(header: bytes, data: bytes = b"", magic: bytes = b"LEXW", version: int = 1, length: int | None = None):
        head = magic + version.to_bytes(2, "little") + (len(header) if length is None else length).to_bytes(4, "little")
        return read_message(io.BytesIO(head + header + data))

    def arrays(text: bytes) -> bytes:
        return b'{"arrays": [' + text + b"]}"

    assert taken(b"{}").header == {}
    for wrong in (
        {"magic": b"LEXX"}, {"version": 2}, {"length": 1 << 30}, {"length": 3}, {"header": b"[]"}, {"header": b"{"},
        {"header": b"\xff"}, {"header": b'{"a": NaN}'}, {"header": b'{"a": ' + b"[" * 100_000},
        {"header": b'{"arrays": {}}'}, {"header": arrays(b"3")}, {"header": arrays(b'{"name": "a"}')},
        {"header": arrays(b'{"name": "a", "dtype": "object", "shape": [1]}')},
        {"header": arrays(b'{"name": "a", "dtype": "float32", "shape": [-1]}')},
        {"header": arrays(b'{"name": "a", "dtype": "float32", "shape": [1.0]}')},
        {"header": arrays(b'{"name": "a", "dtype": "float32", "shape": [true]}')},
        {"header": arrays(b'{"name": "a", "dtype": "float32", "shape": [1, 1, 1, 1, 1]}')},
        {"header": arrays(b'{"name": "a", "dtype": "float32", "shape": [65536, 65536]}')},
        {"header": arrays(b'{"name": "a", "dtype": "utf8", "shape": []}')},
        {"header": arrays(b'{"name": "a", "dtype": "utf8", "shape": [1]}'), "data": b"\xff"},
        {"header": arrays(b'{"name": "a", "dtype": "bool", "shape": [1]}'), "data": b"\x02"},
        {"header": arrays(b'{"name": "a", "dtype": "uint8", "shape": [9]}'), "data": b"short"},
        {"header": arrays(b", ".join([b'{"name": "a", "dtype": "uint8", "shape": [0]}'] * 2))},
    ):
        with pytest.raises(ProtocolError) as error:
            taken(**({"header": b"{}"} | wrong))
        assert isinstance(error.value, LexisError) and error.value.why.endswith(".")
