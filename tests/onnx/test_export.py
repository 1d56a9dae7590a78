"""The exported graphs are torch's, of any batch, and a bundle that was changed is found out."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from lexis_core.body import default_body
from lexis_core.errors import BundleError
from lexis_core.learn.flow_net import Context
from lexis_core.learn.flow_state import BODY, OBJECT, Coordinates
from lexis_core.learn.sampler import WEIGHTS, load_flow
from lexis_core.runtime import golden
from lexis_core.runtime.bundle import Bundle, default_bundle, default_bundle_folder, open_bundle, seal_bundle
from lexis_core.runtime.session import Session, Sessions
from onnx_export.__main__ import main
from onnx_export.golden import torch_run
from onnx_export.graphs import Encoder, Graph, graphs_of
from onnx_export.lean import Kept, LeanFlow, Paces, apart
from onnx_export.parity import Scenes
from onnx_export.verify import MOST, MOST_MM, calls_hold
from onnx_export.write import EXAMPLE, example, write

SIZES = ({"B": 1, "P": 256, "Q": 256, "N": 283}, {"B": 5, "P": 30, "Q": 70, "N": 57})


@pytest.fixture(scope="module")
def flow():
    return load_flow(WEIGHTS)


@pytest.fixture(scope="module")
def graphs(flow) -> dict[str, Graph]:
    return {graph.name: graph for graph in graphs_of(flow)}


@pytest.mark.parametrize("name", ["encoder", "context", "step", "decoder", "guide"])
@pytest.mark.parametrize("sizes", SIZES, ids=["one picture", "five"])
def test_the_bundles_graphs_answer_as_torch_does(graphs, name, sizes):
    given = {key: value.numpy() for key, value in example(graphs[name], sizes, seed=3).items()}
    found = Session(default_bundle().path(name), "cpu").run(given)
    for key, value in torch_run([graphs[name]])(name, given).items():
        size = np.maximum(np.abs(value), 1)
        assert (np.abs(found[key] - value) / size).max() < MOST, key


def test_every_graph_takes_any_number_of_pictures_and_points(graphs):
    for name, graph in graphs.items():
        entry = default_bundle().models[name]
        for told, shapes in ((entry.inputs, graph.inputs), (entry.outputs, graph.outputs)):
            assert {key: spec.shape for key, spec in told.items()} == {
                key: tuple(-1 if isinstance(n, str) else n for n in shape) for key, shape in shapes.items()}


def test_a_step_laid_out_for_the_runtime_is_the_networks_own(flow):
    """At two times, each with two pictures."""
    net, p = flow.flow, flow.flow.p
    torch.manual_seed(0)
    x = Coordinates(torch.randn(2, p.tokens, p.code_width), torch.randn(2, BODY), torch.randn(2, OBJECT))
    seen = net.picture.which.shape[0]
    context = Context(tuple(torch.randn(2, seen, 2 * p.width) for _ in range(p.layers)), torch.randn(2, p.width))
    times = torch.tensor([0.0, 0.7]), torch.tensor([0.2, 0.96])
    with torch.no_grad():
        paces, kept = Paces(net)(*times), Kept(*map(tuple, apart(net, context)), context.pose, torch.empty(0))
        for pace, *at in zip(paces, *times, strict=True):
            expected = net.step(x, *(time.expand(2) for time in at), context)
            found = LeanFlow(net).step(x, *at, kept._replace(pace=pace))
            for ours, theirs in zip((*found.clean, found.pose), (*expected.clean, expected.pose), strict=True):
                torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=1e-5)


class Roots(Graph):
    """A length that is kept from the root of zero, as guidance has many, and a matrix that half precision holds."""

    def __init__(self, fixed: bool = False):
        super().__init__("roots", {"points": ("B", 3)}, {"length": ("B",), "turned": ("B", 400)})
        self.fixed = fixed
        self.turn = torch.nn.Parameter(torch.arange(1200.0).reshape(3, 400) / 8, requires_grad=False)

    def found(self, given):
        points = given["points"]
        points = points + torch.zeros(EXAMPLE["B"] if self.fixed else points.shape[0], 1)
        return {"length": 1 / (points.square().sum(-1) + 1e-8).sqrt(), "turned": points @ self.turn}


def test_small_numbers_survive_the_export_and_matrices_lose_nothing(tmp_path):
    write(Roots(), tmp_path / "roots.onnx")
    given = np.float32([[0, 0, 0], [1, 2, 2]])
    found = Session(tmp_path / "roots.onnx", "cpu").run({"points": given})
    np.testing.assert_allclose(found["length"], [1e4, 1 / 3], rtol=1e-5)
    np.testing.assert_array_equal(found["turned"], given @ Roots().turn.numpy())
    stored = {tensor.name: tensor.data_type for tensor in onnx.load(tmp_path / "roots.onnx").graph.initializer}
    assert onnx.TensorProto.FLOAT16 in stored.values()


def test_an_encoder_is_written_and_opened_again(flow, graphs, tmp_path):
    write(Encoder(flow), tmp_path / "encoder.onnx")
    given = {"image": np.random.default_rng(0).random((2, 3, 112, 112), np.float32)}
    found = Session(tmp_path / "encoder.onnx", "cpu").run(given)["tokens"]
    np.testing.assert_allclose(found, torch_run([graphs["encoder"]])("encoder", given)["tokens"], atol=1e-4)
    assert (tmp_path / "encoder.onnx").stat().st_size < 1.1 * (WEIGHTS / "encoder.pt").stat().st_size


def test_a_graph_whose_batch_became_fixed_is_not_written(tmp_path):
    with pytest.raises(Exception, match=r"static shape|became"):
        write(Roots(fixed=True), tmp_path / "roots.onnx")
    assert not (tmp_path / "roots.onnx").exists()


@pytest.mark.parametrize("star", [True, False], ids=["from a start", "from noise"])
def test_the_bundle_samples_what_torch_samples(flow, tmp_path, star):
    """Call by call, to the end without guidance, and with it where torch agrees with itself."""
    gaps = Scenes(tmp_path, 1).gaps(Sessions(default_bundle(), "cpu"), flow, default_body(), 1, star)
    assert calls_hold(gaps.calls) and gaps.unguided.max() < MOST
    assert (gaps.guided[gaps.steady] < MOST).all() and (gaps.millimetres[gaps.steady] < MOST_MM).all()


# a bundle is verified

def test_the_bundle_that_ships_verifies_and_fits(capsys):
    assert main(["verify", str(default_bundle_folder()), "--without-parity"]) == 0
    assert "golden guide" in capsys.readouterr().out
    assert sum(path.stat().st_size for path in default_bundle_folder().iterdir()) <= 40_000_000
    lexis = default_bundle().lexis
    assert lexis["training"]["flow"]["step"] > 0 and lexis["licence"]


@pytest.fixture
def copy(tmp_path) -> Bundle:
    shutil.copytree(default_bundle_folder(), tmp_path / "bundle")
    return open_bundle(tmp_path / "bundle")


def test_a_byte_that_was_changed_is_found(copy, capsys):
    path = copy.path("step")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert main(["verify", str(copy.folder), "--without-parity"]) == 1
    assert "step.onnx" in capsys.readouterr().err


def test_a_bundle_without_a_graph_is_found(copy, capsys):
    copy.path("guide").unlink()
    models = {name: entry for name, entry in copy.models.items() if name != "guide"}
    seal_bundle(copy.folder, copy.name, models, copy.lexis, copy.golden)
    assert main(["verify", str(copy.folder), "--without-parity"]) == 1
    assert "guide" in capsys.readouterr().err


def test_weights_that_were_changed_behind_a_new_seal_are_found(copy):
    """The manifest is right again, so only the golden outputs know."""
    model = onnx.load(copy.path("decoder"))
    largest = max(model.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    largest.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(largest) * np.float16(1.2), largest.name))
    onnx.save(model, copy.path("decoder"))
    seal_bundle(copy.folder, copy.name, copy.models, copy.lexis, copy.golden)
    with pytest.raises(BundleError, match="decoder"):
        golden.check(open_bundle(copy.folder), Sessions(open_bundle(copy.folder), "cpu"))


def test_golden_vectors_that_are_missing_or_garbled_are_told(copy):
    (copy.folder / golden.FILE).write_bytes(b"no archive")
    seal_bundle(copy.folder, copy.name, copy.models, copy.lexis, golden.FILE)
    with pytest.raises(BundleError, match="do not fit"):
        golden.check(open_bundle(copy.folder))
    (copy.folder / golden.FILE).unlink()
    seal_bundle(copy.folder, copy.name, copy.models, copy.lexis)
    with pytest.raises(BundleError, match="no golden vectors"):
        golden.check(open_bundle(copy.folder))


def test_a_folder_without_weights_is_told(tmp_path: Path, capsys):
    assert main(["--checkpoint", str(tmp_path), "--out", str(tmp_path / "out")]) == 1
    assert "net.pt" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_nothing_but_a_bundle_is_written_over(tmp_path: Path, capsys):
    (tmp_path / "thesis.txt").write_text("all of it")
    assert main(["--out", str(tmp_path)]) == 1
    assert "Something else" in capsys.readouterr().err and (tmp_path / "thesis.txt").read_text() == "all of it"
