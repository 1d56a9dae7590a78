"""Sessions say where they run and why not elsewhere, stop when told to, and keep quiet about it all."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import onnx_models
import pytest

from lexis_core.errors import BundleError, Cancelled, InputError, OutOfMemory, RuntimeUnavailable
from lexis_core.runtime.bundle import default_bundle
from lexis_core.runtime.devices import PROVIDERS, devices, import_onnxruntime, why_not
from lexis_core.runtime.session import Session, Sessions

ROOT = Path(__file__).resolve().parents[2]


def test_the_default_bundle_describes_its_models_truly():
    bundle = default_bundle()
    for name, entry in bundle.models.items():
        session = import_onnxruntime().InferenceSession(os.fspath(bundle.path(name)))
        for told, real in ((entry.inputs, session.get_inputs()), (entry.outputs, session.get_outputs())):
            assert {name: spec.shape for name, spec in told.items()} == {
                r.name: tuple(n if isinstance(n, int) else -1 for n in r.shape) for r in real}


def test_a_session_runs_where_it_says_and_checks_what_it_is_given():
    session = Session(default_bundle().path("landmarks"), device="cpu")
    assert session.device == "cpu"
    image = np.zeros((1, 256, 256, 3), np.float32)
    assert session.run({"image": image}, ("presence",))["presence"].shape == (1, 1)
    for wrong in ({}, {"picture": image}, {"image": image[:, 1:]}, {"image": image[0]}, {"image": image.astype(float)}):
        with pytest.raises(InputError):
            session.run(wrong)


def test_sessions_give_the_same_bytes_from_many_threads():
    session = Session(default_bundle().path("landmarks"), device="cpu")
    image = np.random.default_rng(0).random((1, 256, 256, 3), np.float32)
    expected = session.run({"image": image})["landmarks"]
    results = []
    threads = [threading.Thread(target=lambda: results.append(session.run({"image": image}))) for _ in range(4)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert all(np.array_equal(r["landmarks"], expected) for r in results) and len(results) == 4


def test_a_device_that_is_not_there_is_an_error_and_never_a_silent_cpu():
    path = default_bundle().path("landmarks")
    for device in set(PROVIDERS) - set(devices()):
        with pytest.raises(RuntimeUnavailable) as error:
            Session(path, device=device)
        assert device in error.value.what and error.value.why == why_not(device)
    with pytest.raises(InputError, match="abacus"):
        Session(path, device="abacus")
    with pytest.raises(InputError, match="abacus"):
        Sessions(device="abacus")


def test_auto_says_what_runs_and_why_not_cuda():
    session = Session(default_bundle().path("landmarks"))
    assert session.device == ("cuda" if "cuda" in devices() else "cpu")
    assert session.why_not == ("" if session.device == "cuda" else f"CUDA did not run. {why_not('cuda')}")
    assert Session(default_bundle().path("landmarks"), "cpu").why_not == ""


@pytest.mark.skipif("cuda" not in devices(), reason="there is no CUDA device here")
def test_cuda_gives_the_numbers_of_the_cpu_within_its_memory():
    image = {"image": np.random.default_rng(0).random((1, 256, 256, 3), np.float32)}
    path = default_bundle().path("landmarks")
    expected = Session(path, "cpu").run(image)
    found = Session(path, "cuda", memory=1 << 30).run(image)
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, atol=1e-3, rtol=1e-3)


def test_a_run_that_would_take_years_stops_when_it_is_cancelled(tmp_path):
    session = Session(onnx_models.endless(tmp_path / "endless.onnx"), "cpu")
    stop = threading.Event()
    inputs = {"n": np.array(10**12), "a": np.zeros((64, 64), np.float32)}
    threading.Timer(0.3, stop.set).start()
    with pytest.raises(Cancelled):
        session.run(inputs, cancelled=stop.is_set)
    with pytest.raises(Cancelled):
        session.run_kept(inputs, cancelled=stop.is_set)
    assert session.run(inputs | {"n": np.array(2)}, cancelled=lambda: False)["out"].shape == (64, 64)


def test_cancelling_one_run_leaves_the_others_alone(tmp_path):
    session = Session(onnx_models.endless(tmp_path / "endless.onnx"), "cpu", threads=1)
    start, ended = time.monotonic(), {}

    def work(name, steps, cancelled):
        try:
            ended[name] = session.run({"n": np.array(steps), "a": np.ones((8, 8), np.float32)}, cancelled=cancelled)
        except Cancelled:
            ended[name] = "cancelled"

    threads = [threading.Thread(target=work, args=job) for job in (
        ("first", 10**12, lambda: time.monotonic() > start + 0.2), ("second", 10**5, lambda: False))]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert ended["first"] == "cancelled" and np.isfinite(ended["second"]["out"]).all()


def test_what_does_not_fit_into_memory_is_said_with_a_way_out(tmp_path):
    session = Session(onnx_models.vast(tmp_path / "vast.onnx"), "cpu")
    assert session.run({"n": np.array([2, 3])})["out"].shape == (2, 3)
    with pytest.raises(OutOfMemory, match="hypotheses"):
        session.run({"n": np.array([1 << 21, 1 << 21])})
    with pytest.raises(RuntimeUnavailable, match="report it"):
        session.run({"n": np.array([-1, 3])})


def test_outputs_kept_on_the_device_go_in_again(tmp_path):
    session = Session(onnx_models.doubling(tmp_path / "double.onnx"))
    start = np.arange(6, dtype=np.float32).reshape(2, 3)
    value = session.kept(start)
    for _ in range(3):
        value = session.run_kept({"x": value})["y"]
    assert np.array_equal(value.numpy(), 8 * start)
    assert np.array_equal(session.run_kept({"x": start[:, ::-1]})["y"].numpy(), 2 * start[:, ::-1])
    with pytest.raises(InputError, match="float32"):
        session.run_kept({"x": session.kept(start.astype(float))})


def test_sessions_are_opened_once_and_released():
    sessions = Sessions(device="cpu", threads=1)
    assert sessions.opened == ()
    first = sessions["landmarks"]
    assert sessions["landmarks"] is first and sessions.opened == ("landmarks",)
    sessions.release()
    assert sessions.opened == () and sessions["landmarks"] is not first
    with pytest.raises(BundleError, match="no model called"):
        sessions["crystal ball"]


def test_two_packages_of_the_runtime_in_one_environment_are_refused(tmp_path):
    """They overwrite each other's files; pip does not say so."""
    for name in ("onnxruntime", "onnxruntime-gpu"):
        folder = tmp_path / f"{name.replace('-', '_')}-1.31.1.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.31.1\n")
    script = "from lexis_core.runtime.devices import import_onnxruntime; import_onnxruntime()"
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True,
                         env=os.environ | {"PYTHONPATH": str(tmp_path)})
    assert run.returncode and "onnxruntime-gpu 1.31.1 are both installed" in run.stderr
    assert "pip uninstall onnxruntime onnxruntime-gpu" in run.stderr


def test_a_file_that_is_no_model_is_a_bundle_error(tmp_path):
    (tmp_path / "broken.onnx").write_bytes(default_bundle().path("landmarks").read_bytes()[:100_000])
    for path in (tmp_path / "broken.onnx", tmp_path / "missing.onnx"):
        with pytest.raises(BundleError, match=path.name):
            Session(path, device="cpu")


def test_running_a_model_writes_nothing_into_a_fresh_home(tmp_path):
    """onnxruntime's telemetry would leave a device id there."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "ORT_"))}
    environment |= {"HOME": str(tmp_path), "USERPROFILE": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1",
                    "TMPDIR": str(tmp_path)}
    script = ("import os; from lexis_core.observe import open_networks; open_networks(); "
              "assert os.environ['ORT_DISABLE_TELEMETRY'] == '1'")
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=environment, check=True)
    assert list(tmp_path.rglob("*")) == []


def test_the_runtime_is_not_loaded_before_it_is_needed():
    script = "import sys, lexis_core.observe; assert 'onnxruntime' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)
