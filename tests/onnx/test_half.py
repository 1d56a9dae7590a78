"""The step in half precision stands in for the step: same inputs and outputs, places in full, results within bounds."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.testing import assert_array_equal
from onnx import numpy_helper

from lexis_core.body import default_body
from lexis_core.body.surface import guide_surface
from lexis_core.errors import BundleError, InputError
from lexis_core.learn.sampler import WEIGHTS, load_flow
from lexis_core.runtime import golden
from lexis_core.runtime.bundle import (
    HALF,
    Bundle,
    default_bundle,
    default_bundle_folder,
    describe,
    open_bundle,
    seal_bundle,
)
from lexis_core.runtime.devices import devices, import_onnxruntime
from lexis_core.runtime.fixed import FixedSession
from lexis_core.runtime.sampler import Sampler
from lexis_core.runtime.seen import Seen
from lexis_core.runtime.session import BATCHES, Session, Sessions
from lexis_core.runtime.states import States
from onnx_export.graphs import half_step
from onnx_export.parity import Scenes
from onnx_export.verify import HALF_MEDIAN_MM, HALF_MOST_MM, half_is_near
from onnx_export.write import example, write

Array = np.ndarray
ROOT = Path(__file__).resolve().parents[2]
NEAR = 0.02  # of numbers of order one after one step: 11 bits through five layers


@pytest.fixture(scope="module")
def graph():
    return half_step(load_flow(WEIGHTS))


@pytest.fixture(scope="module")
def bundle(graph, tmp_path_factory) -> Bundle:
    """The default bundle with the step in half precision beside the others."""
    folder = tmp_path_factory.mktemp("half") / "bundle"
    shutil.copytree(default_bundle_folder(), folder)
    write(graph, folder / f"{HALF}.onnx")
    return sealed(folder)


def sealed(folder: Path) -> Bundle:
    known = default_bundle()
    models = dict(known.models) | {HALF: describe(folder, f"{HALF}.onnx", known.models["step"].licence)}
    seal_bundle(folder, known.name, models, known.lexis, known.golden)
    return open_bundle(folder)


def given(graph, batch: int, seed: int = 0) -> dict[str, Array]:
    return {name: value.numpy() for name, value in example(graph, {"B": batch}, seed).items()}


def furthest(a: Mapping[str, Array], b: Mapping[str, Array]) -> float:
    return max(float(np.abs(a[name] - b[name]).max()) for name in b)


@pytest.mark.parametrize("batch", [1, 3, 64])
def test_a_step_of_one_batch_is_that_of_any_and_near_the_one_in_single_precision(bundle, graph, batch):
    fixed, free, single = (FixedSession(bundle.path(HALF), "cpu", batch), Session(bundle.path(HALF), "cpu"),
                           Session(bundle.path("step"), "cpu"))
    for seed in (0, 1):
        feeds = given(graph, batch, seed)
        found, kept = fixed.run(feeds), fixed.run_kept({name: fixed.kept(value) for name, value in feeds.items()})
        for name, value in free.run(feeds).items():
            assert_array_equal(found[name], value)
            assert_array_equal(kept[name].numpy(), value)
        assert 0 < furthest(found, single.run(feeds)) < NEAR
    with pytest.raises(InputError, match="cannot take"):
        fixed.run(given(graph, batch + 1))


def test_what_is_held_stays_to_the_last_digit_far_from_the_camera(bundle, graph):
    """Half precision knows 16 m to 8 mm."""
    feeds = given(graph, 2)
    feeds |= {name: np.zeros_like(value) for name, value in feeds.items() if name.startswith("free_")}
    for state in ("now_", "start_"):
        feeds[f"{state}pelvis"] = np.float32([[0.123456, -0.765432, 16.012345]] * 2)
        feeds[f"{state}object_position"] = np.float32([[1.123456, -0.765432, 15.987654]] * 2)
    found = FixedSession(bundle.path(HALF), "cpu", 2).run(feeds)
    for name in ("pelvis", "object_position"):
        np.testing.assert_allclose(found[name], feeds[f"start_{name}"], atol=4e-6)


def test_the_graph_is_one_that_cuda_can_record(bundle, tmp_path):
    """Opened for one batch no size is left open, none is asked for on the way, and nothing branches."""
    runtime = import_onnxruntime()
    options = runtime.SessionOptions()
    options.add_free_dimension_override_by_name("B", 8)
    options.optimized_model_filepath = str(tmp_path / "opened.onnx")
    runtime.InferenceSession(str(bundle.path(HALF)), options, providers=["CPUExecutionProvider"])
    opened, stored = onnx.load(tmp_path / "opened.onnx").graph, onnx.load(bundle.path(HALF)).graph
    tensors = [tensor for part in (opened.input, opened.output, opened.value_info) for tensor in part]
    assert not [t.name for t in tensors for axis in t.type.tensor_type.shape.dim if axis.HasField("dim_param")]
    assert not {"Shape", "Size", "NonZero"} & {node.op_type for node in opened.node}
    assert not {"Loop", "If", "Scan"} & {node.op_type for node in (*opened.node, *stored.node)}
    cast = {node.input[0] for node in stored.node if node.op_type == "Cast"}
    halves = [t for t in stored.initializer if t.data_type == onnx.TensorProto.FLOAT16 and t.name not in cast]
    assert sum(np.prod(t.dims) for t in halves) > 3_000_000


def test_only_a_step_that_fits_in_its_place_is_taken(bundle, tmp_path):
    folder = tmp_path / "bundle"
    shutil.copytree(bundle.folder, folder)
    assert open_bundle(folder).models[HALF].inputs == bundle.models["step"].inputs
    shutil.copyfile(folder / "encoder.onnx", folder / f"{HALF}.onnx")
    with pytest.raises(BundleError, match="stand in"):
        sealed(folder)
    (folder / f"{HALF}.onnx").rename(tmp_path / f"{HALF}.onnx")
    seal_bundle(folder, bundle.name, default_bundle().models, bundle.lexis, bundle.golden)
    assert HALF not in open_bundle(folder).models
    (tmp_path / f"{HALF}.onnx").rename(folder / f"{HALF}.onnx")
    with pytest.raises(BundleError, match="does not list"):
        open_bundle(folder)


@pytest.fixture(scope="module")
def picture(bundle) -> tuple[Seen, States]:
    with np.load(bundle.folder / bundle.golden, allow_pickle=False) as file:
        return tuple(kind(*(file[golden.GIVEN + name] for name in kind._fields)) for kind in (Seen, States))


def test_the_sampler_takes_it_when_told_to_and_says_so(bundle, picture):
    sessions, guide = Sessions(bundle, "cpu"), guide_surface(default_body())
    seen, start = picture
    single, half, resident = Sampler(sessions), Sampler(sessions, half=True), Sampler(sessions, True, True)
    assert (single.half, single.notes, half.half) == (False, (), True) and "half precision" in half.notes[0]
    for begin in (start, None):
        runs = (way.sample(seen, guide, begin, hypotheses=3, steps=10).every for way in (single, half, resident))
        for a, b, c in zip(*runs, strict=True):
            assert_array_equal(b, c)
            assert not np.array_equal(a, b)
    with pytest.raises(BundleError, match=HALF):
        Sampler(Sessions(default_bundle(), "cpu"), half=True).sample(seen, guide, start)


def test_sessions_of_a_batch_are_kept_for_each_thread_and_the_oldest_is_let_go(bundle):
    sessions = Sessions(bundle, "cpu", threads=1)
    assert HALF not in sessions.models and {*sessions.models, HALF} == bundle.models.keys()
    first, other = sessions.half_step(1), []
    thread = threading.Thread(target=lambda: other.append(sessions.half_step(1)))
    thread.start()
    thread.join()
    assert sessions.half_step(1) is first and other[0] is not first
    for batch in range(2, BATCHES + 2):
        sessions.half_step(batch)
    assert sessions.half_step(1) is not first
    again = sessions.half_step(1)
    sessions.release()
    assert sessions.half_step(1) is not again


def test_bodies_and_objects_come_out_where_they_do_in_single_precision(bundle, tmp_path):
    scenes, sessions = Scenes(tmp_path, 2), Sessions(bundle, "cpu")
    for star in (True, False):
        gaps = scenes.half_gaps(sessions, default_body(), 2, star)
        assert np.median(gaps) < HALF_MEDIAN_MM and 0 < gaps.max() < HALF_MOST_MM


def test_a_half_step_that_is_off_is_found(bundle, tmp_path, capsys):
    shutil.copytree(bundle.folder, tmp_path / "bundle")
    model = onnx.load(tmp_path / "bundle" / f"{HALF}.onnx")
    largest = max(model.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    largest.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(largest) * np.float16(1.1), largest.name))
    onnx.save(model, tmp_path / "bundle" / f"{HALF}.onnx")
    assert not half_is_near(Sessions(sealed(tmp_path / "bundle"), "cpu"), pictures=1)
    assert "OUT OF BOUNDS" in capsys.readouterr().out


@pytest.mark.skipif("cuda" not in devices(), reason="there is no CUDA device here")
@pytest.mark.parametrize("batch", [1, 8, 64])
def test_a_cuda_graph_in_half_precision_is_near_the_card_in_single_precision(bundle, graph, picture, batch):
    fixed, single = FixedSession(bundle.path(HALF), "cuda", batch), Session(bundle.path("step"), "cuda")
    assert fixed.why_no_graph == ""
    for seed in (0, 1, 2):
        feeds = given(graph, batch, seed)
        assert 0 < furthest(fixed.run(feeds), single.run(feeds)) < NEAR
    seen, start = (part.__class__(*(np.repeat(value, batch, 0) for value in part)) for part in picture)
    models = {name: entry for name, entry in bundle.models.items() if name != HALF}
    both = [Sampler(Sessions(found, "cuda")) for found in (bundle, replace(bundle, models=models))]
    assert [sampler.half for sampler in both] == [True, False]
    a, b = (sampler.sample(seen, guide_surface(default_body()), start, guided=False).every for sampler in both)
    assert 1000 * np.abs(a.pelvis - b.pelvis).max() < HALF_MOST_MM
    assert 1000 * np.abs(a.object_position - b.object_position).max() < HALF_MOST_MM


@pytest.mark.skipif("cuda" in devices(), reason="there is a CUDA device here")
def test_the_benchmark_says_that_there_is_no_card():
    run = subprocess.run([sys.executable, "benchmarks/cuda.py"], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 2 and "CUDA does not run here" in run.stderr
