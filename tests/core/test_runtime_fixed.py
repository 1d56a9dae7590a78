"""A session of one batch: its buffers take what is given, refuse another batch, and stop and fail as other sessions."""

from __future__ import annotations

import threading

import numpy as np
import onnx_models
import pytest

from lexis_core.errors import Cancelled, InputError, OutOfMemory
from lexis_core.runtime.bundle import default_bundle
from lexis_core.runtime.devices import devices
from lexis_core.runtime.fixed import FixedSession


def test_buffers_take_arrays_and_what_is_on_the_device_and_give_what_was_computed_last(tmp_path):
    session = FixedSession(onnx_models.doubling(tmp_path / "double.onnx"), "cpu", 2)
    start = np.arange(6, dtype=np.float32).reshape(2, 3)
    first = session.run({"x": start})["y"]
    value = session.kept(start)
    for _ in range(2):
        np.testing.assert_array_equal(session.run_kept({"x": value})["y"].numpy(), 2 * start)
    for _ in range(3):  # its own output goes in again, changed since
        value = session.run_kept({"x": value})["y"]
    np.testing.assert_array_equal(value.numpy(), 8 * start)
    turned = np.asfortranarray(start[:, ::-1])
    np.testing.assert_array_equal(session.run({"x": turned})["y"], 2 * start[:, ::-1])
    np.testing.assert_array_equal(first, 2 * start)  # what run gave is the caller's


def test_another_batch_and_another_free_axis_are_refused(tmp_path):
    session = FixedSession(onnx_models.doubling(tmp_path / "double.onnx"), "cpu", 2)
    for wrong in (np.zeros((3, 3), np.float32), np.zeros((2, 3))):
        with pytest.raises(InputError, match="cannot take 'x'"):
            session.run({"x": wrong})
    with pytest.raises(InputError, match="Not only the batch"):
        FixedSession(default_bundle().path("decoder"), "cpu", 2)


def test_a_run_ends_when_it_is_cancelled_and_the_session_goes_on(tmp_path):
    session = FixedSession(onnx_models.endless(tmp_path / "endless.onnx", 64), "cpu", 1)
    inputs = {"n": np.array(10**12), "a": np.zeros((64, 64), np.float32)}
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    for _ in range(2):  # during the run, and before one
        with pytest.raises(Cancelled):
            session.run(inputs, cancelled=stop.is_set)
    assert session.run(inputs | {"n": np.array(2)}, cancelled=lambda: False)["out"].shape == (64, 64)


def test_buffers_that_do_not_fit_are_told_with_a_way_out(tmp_path):
    with pytest.raises(OutOfMemory, match="hypotheses"):
        FixedSession(onnx_models.doubling(tmp_path / "double.onnx"), "cpu", 1 << 48)


@pytest.mark.skipif("cuda" not in devices(), reason="there is no CUDA device here")
def test_cuda_records_what_it_can_and_says_what_it_cannot(tmp_path):
    recorded = FixedSession(onnx_models.doubling(tmp_path / "double.onnx"), "cuda", 2)
    refused = FixedSession(onnx_models.endless(tmp_path / "endless.onnx", 4), "cuda", 1)
    assert recorded.why_no_graph == "" and "CUDA graph did not run" in refused.why_no_graph
    ones = np.ones((2, 3), np.float32)
    for k in range(4):
        np.testing.assert_array_equal(recorded.run({"x": k * ones})["y"], 2 * k * ones)
    value = recorded.kept(ones)
    for _ in range(3):
        value = recorded.run_kept({"x": value})["y"]
    np.testing.assert_array_equal(value.numpy(), 8 * ones)
    inputs = {"n": np.array(1), "a": np.eye(4, dtype=np.float32)}
    np.testing.assert_allclose(refused.run(inputs)["out"], np.tanh(np.eye(4)), atol=1e-6)
