"""The bundle is refused when anything about it is off; sessions say where they run and keep quiet about it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from lexis_core.errors import BundleError, InputError, RuntimeUnavailable
from lexis_core.runtime.bundle import MANIFEST, ModelEntry, TensorSpec, default_bundle, open_bundle, seal_bundle
from lexis_core.runtime.session import PROVIDERS, Session, import_onnxruntime

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def bundle(tmp_path):
    """A small sealed bundle: one model file in a folder, and a licence."""
    folder = tmp_path / "bundle"
    (folder / "models").mkdir(parents=True)
    (folder / "models" / "a.onnx").write_bytes(b"model a")
    (folder / "LICENSE").write_text("free")
    seal_bundle(folder, "small", {"a": ModelEntry("models/a.onnx", "MIT", {"x": TensorSpec("float32", (1, -1))}, {})})
    return folder


def change(folder: Path, **entries) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(manifest | entries))


def test_a_sealed_bundle_opens_with_its_models(bundle):
    opened = open_bundle(bundle)
    assert opened.name == "small"
    assert opened.path("a") == bundle / "models" / "a.onnx"
    assert opened.models["a"].inputs["x"] == TensorSpec("float32", (1, -1))


def test_the_default_bundle_is_whole_and_describes_its_models_truly():
    bundle = default_bundle()
    assert sum(f.stat().st_size for f in bundle.folder.iterdir()) < 13_000_000
    for name, entry in bundle.models.items():
        session = import_onnxruntime().InferenceSession(os.fspath(bundle.path(name)))
        assert {i.name: tuple(i.shape) for i in session.get_inputs()} == {n: s.shape for n, s in entry.inputs.items()}
        assert {o.name: tuple(o.shape) for o in session.get_outputs()} == {n: s.shape for n, s in entry.outputs.items()}
    assert "Apache License" in (bundle.folder / "LICENSE").read_text()
    assert "mediapipe 0.10.21" in (bundle.folder / "NOTICE").read_text()


def test_each_way_to_alter_a_bundle_is_refused_with_its_reason(bundle):
    def altered(reason, alter):
        copy = bundle.parent / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(bundle, copy)
        alter(copy)
        with pytest.raises(BundleError) as refused:
            open_bundle(copy)
        assert reason in refused.value.why
        assert str(copy) in refused.value.what
        assert refused.value.remedy.endswith(".")

    files = json.loads((bundle / MANIFEST).read_text())["files"]
    licence = files["LICENSE"]
    altered("lacks LICENSE", lambda f: (f / "LICENSE").unlink())
    altered("does not list: extra", lambda f: (f / "extra").touch())
    altered("does not list: models/b.onnx", lambda f: (f / "models" / "b.onnx").touch())
    altered("damaged", lambda f: (f / "LICENSE").write_text("fee!"))
    altered("damaged", lambda f: (f / "LICENSE").write_text("longer text"))
    altered("has no bundle.json", lambda f: (f / MANIFEST).unlink())
    altered("cannot be read", lambda f: (f / MANIFEST).write_text("{"))
    altered("cannot be read", lambda f: (f / MANIFEST).write_text("[" * 100_000))
    altered("not a JSON object", lambda f: (f / MANIFEST).write_text("[]"))
    altered("far too large", lambda f: (f / MANIFEST).write_text(" " * 2_000_000))
    altered("format 2", lambda f: change(f, format_version=2))
    altered("format None", lambda f: (f / MANIFEST).write_text("{}"))
    altered("garbles", lambda f: change(f, files=[]))
    altered("garbles", lambda f: change(f, models={"a": {"file": "models/a.onnx"}}))
    altered("does not list it", lambda f: change(f, models={
        "a": {"file": "b.onnx", "licence": "MIT", "inputs": {}, "outputs": {}}}))
    for name in ("../outside", "/etc/hostname", "models/../LICENSE", "C:evil", "a\\b", "./LICENSE", "", MANIFEST):
        altered("not a plain path", lambda f, name=name: change(f, files=files | {name: licence}))


@pytest.mark.skipif(os.name == "nt", reason="making links needs a right on Windows")
def test_links_in_a_bundle_are_refused(bundle, tmp_path):
    outside = tmp_path / "outside"
    shutil.move(bundle / "LICENSE", outside)
    (bundle / "LICENSE").symlink_to(outside)
    with pytest.raises(BundleError, match="is a link"):
        open_bundle(bundle)
    (bundle / "LICENSE").unlink()
    os.link(outside, bundle / "LICENSE")
    with pytest.raises(BundleError, match="is a link"):
        open_bundle(bundle)
    assert open_bundle(bundle, hard_links=True).name == "small"
    shutil.move(bundle / "models", tmp_path / "models")
    (bundle / "models").symlink_to(tmp_path / "models")
    with pytest.raises(BundleError, match="is a link"):
        open_bundle(bundle, hard_links=True)


def test_a_missing_bundle_and_a_missing_model_are_said_plainly(bundle, tmp_path):
    with pytest.raises(BundleError, match="no such folder"):
        open_bundle(tmp_path / "nowhere")
    with pytest.raises(BundleError, match="only a"):
        open_bundle(bundle).path("b")


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
    available = import_onnxruntime().get_available_providers()
    for device in {"cuda", "coreml"} - {d for d, provider in PROVIDERS.items() if provider in available}:
        with pytest.raises(RuntimeUnavailable) as error:
            Session(path, device=device)
        assert device in error.value.what
    with pytest.raises(InputError, match="abacus"):
        Session(path, device="abacus")


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
