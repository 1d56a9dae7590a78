"""A bundle is refused, with the reason and what to do, when anything about it is off."""

from __future__ import annotations

import json
import os
import shutil
import stat
import struct
import zipfile
from dataclasses import replace
from pathlib import Path

import onnx_models
import pytest
from onnx import TensorProto

from lexis_core.errors import BundleError, InputError
from lexis_core.runtime.bundle import (
    MANIFEST,
    ModelEntry,
    TensorSpec,
    default_bundle,
    describe,
    open_bundle,
    seal_bundle,
)
from lexis_core.runtime.onnx_reading import ELEMENTS, read_onnx
from lexis_core.runtime.unpack import unpack_bundle


@pytest.fixture
def bundle(tmp_path):
    """A small sealed bundle: one model file in a folder, and a licence."""
    folder = tmp_path / "bundle"
    (folder / "models").mkdir(parents=True)
    onnx_models.doubling(folder / "models" / "a.onnx")
    (folder / "LICENSE").write_text("free")
    (folder / "golden.npz").write_bytes(b"numbers")
    seal_bundle(folder, "small", {"a": describe(folder, "models/a.onnx", "MIT")}, {"sigma": 0.1}, "golden.npz")
    return folder


def change(folder: Path, **entries) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(manifest | entries))


def refused(folder: Path, reason: str) -> None:
    with pytest.raises(BundleError) as error:
        open_bundle(folder)
    assert reason in error.value.why
    assert str(folder) in error.value.what
    assert error.value.remedy.endswith(".")


def test_a_sealed_bundle_opens_with_its_models(bundle):
    opened = open_bundle(bundle)
    assert opened.name == "small" and opened.lexis == {"sigma": 0.1} and opened.golden == "golden.npz"
    assert opened.path("a") == bundle / "models" / "a.onnx"
    assert opened.models["a"] == ModelEntry("models/a.onnx", "MIT", {"x": TensorSpec("float32", (-1, 3))},
                                            {"y": TensorSpec("float32", (-1, 3))})


def test_each_way_to_alter_a_bundle_is_refused_with_its_reason(bundle):
    def altered(reason, alter):
        copy = bundle.parent / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(bundle, copy)
        alter(copy)
        refused(copy, reason)

    manifest = json.loads((bundle / MANIFEST).read_text())
    files, model = manifest["files"], manifest["models"]["a"]
    licence = files["LICENSE"]
    altered("lacks LICENSE", lambda f: (f / "LICENSE").unlink())
    altered("does not list: extra", lambda f: (f / "extra").touch())
    altered("does not list: models/b.onnx", lambda f: (f / "models" / "b.onnx").touch())
    altered("damaged", lambda f: (f / "LICENSE").write_text("fee!"))
    altered("damaged", lambda f: (f / "LICENSE").write_text("longer text"))
    altered("has no bundle.json", lambda f: (f / MANIFEST).unlink())
    altered("cannot be read", lambda f: (f / MANIFEST).write_text("{"))
    altered("cannot be read", lambda f: (f / MANIFEST).write_bytes(b"\xff\xfe{"))
    altered("cannot be read", lambda f: (f / MANIFEST).write_text("[" * 100_000))
    altered("not a JSON object", lambda f: (f / MANIFEST).write_text("[]"))
    altered("far too large", lambda f: (f / MANIFEST).write_text(" " * 2_000_000))
    altered("format 2", lambda f: change(f, format_version=2))
    altered("format None", lambda f: (f / MANIFEST).write_text("{}"))
    altered("garbles", lambda f: change(f, files=[]))
    altered("garbles", lambda f: change(f, files=files | {"LICENSE": {"size": 1e999, "sha256": ""}}))
    altered("garbles", lambda f: change(f, models={"a": {"file": "models/a.onnx"}}))
    altered("garbles", lambda f: change(f, lexis=3))
    altered("garbles", lambda f: change(f, models={"a": model | {"inputs": {"x": {"type": "float3", "shape": []}}}}))
    altered("does not list it", lambda f: change(f, models={"a": model | {"file": "b.onnx"}}))
    altered("does not list it", lambda f: change(f, golden="gold"))
    altered("other inputs", lambda f: change(f, models={"a": model | {"inputs": {}}}))
    altered("other outputs", lambda f: change(f, models={"a": model | {"outputs": model["inputs"]}}))
    altered("other inputs", lambda f: change(f, models={
        "a": model | {"inputs": {"x": {"type": "float32", "shape": [1, 3]}}}}))
    altered("no ONNX model", lambda f: change(f, models={"a": model | {"file": "LICENSE"}}))
    for name in ("../outside", "/etc/hostname", "models/../LICENSE", "C:evil", "a\\b", "./LICENSE", "", MANIFEST,
                 "a\0b", "a\nb", "x" * 300, "\ud800", "nul.", "a/ /b "):
        altered("not a plain path", lambda f, name=name: change(f, files=files | {name: licence}))


@pytest.mark.skipif(os.name == "nt", reason="making links needs a right on Windows")
def test_links_and_pipes_in_a_bundle_are_refused(bundle, tmp_path):
    outside = tmp_path / "outside"
    shutil.move(bundle / "LICENSE", outside)
    (bundle / "LICENSE").symlink_to(outside)
    refused(bundle, "is a link")
    (bundle / "LICENSE").unlink()
    os.mkfifo(bundle / "LICENSE")
    refused(bundle, "not a plain file")
    (bundle / "LICENSE").unlink()
    os.link(outside, bundle / "LICENSE")
    refused(bundle, "is a link")
    assert open_bundle(bundle, hard_links=True).name == "small"
    shutil.move(bundle / "models", tmp_path / "models")
    (bundle / "models").symlink_to(tmp_path / "models")
    refused(bundle, "is a link")
    shutil.move(bundle / MANIFEST, tmp_path / MANIFEST)
    os.mkfifo(bundle / MANIFEST)
    refused(bundle, "not a plain file")


def test_a_missing_bundle_and_a_missing_model_are_said_plainly(bundle, tmp_path):
    refused(tmp_path / "nowhere", "no such folder")
    with pytest.raises(BundleError, match="only a"):
        open_bundle(bundle).path("b")


def sealed(bundle: Path, make, *how) -> Path:
    """The bundle with another model in place of its own, listed and signed as it is."""
    make(bundle / "models" / "a.onnx", *how)
    seal_bundle(bundle, "small", {"a": describe(bundle, "models/a.onnx", "MIT")})
    return bundle


def test_operators_that_are_not_the_runtimes_own_are_refused_wherever_they_hide(bundle):
    for make in (onnx_models.branching, onnx_models.calling):
        open_bundle(sealed(bundle, make))
    refused(sealed(bundle, onnx_models.branching, "evil.corp", "Phone"), "evil.corp:Phone")
    refused(sealed(bundle, onnx_models.branching, "com.microsoft", "EPContext"), "com.microsoft:EPContext")
    refused(sealed(bundle, onnx_models.calling, "ours", "Phone", "evil.corp"), "evil.corp:Phone")


def test_weights_in_another_file_must_be_listed_beside_the_model(bundle):
    (bundle / "models" / "w.bin").write_bytes(struct.pack("<4f", 1, 2, 3, 4))
    open_bundle(sealed(bundle, onnx_models.outside, "w.bin"))
    for location in ("/etc/passwd", "../w.bin", "other.bin"):
        refused(sealed(bundle, onnx_models.outside, location), "keeps weights in")


def test_what_is_read_of_an_onnx_file_is_what_the_onnx_package_reads():
    numpy_name = {**ELEMENTS, TensorProto.BOOL: "bool"}
    for model in default_bundle().models:
        path = default_bundle().path(model)
        found, expected = read_onnx(path.read_bytes()), onnx_models.load(path)
        assert {(node.domain, node.op_type) for node in expected.graph.node} <= found.operators
        for mine, theirs in ((found.inputs, expected.graph.input), (found.outputs, expected.graph.output)):
            assert mine == {
                info.name: (numpy_name[info.type.tensor_type.elem_type],
                            tuple(axis.dim_value if axis.HasField("dim_value") else -1
                                  for axis in info.type.tensor_type.shape.dim)) for info in theirs}


def test_the_default_bundle_is_whole_small_and_licensed():
    bundle = default_bundle()
    assert sum(f.stat().st_size for f in bundle.folder.iterdir()) < 40_000_000
    assert "Apache License" in (bundle.folder / "LICENSE").read_text()
    assert "mediapipe 0.10.21" in (bundle.folder / "NOTICE").read_text()


def zipped(folder: Path, path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in folder.rglob("*"):
            archive.write(file, file.relative_to(folder).as_posix())
    return path


def test_a_zipped_bundle_unpacks_to_the_same_bundle(bundle, tmp_path):
    unpacked = unpack_bundle(zipped(bundle, tmp_path / "b.zip"), tmp_path / "deep" / "new")
    assert replace(unpacked, folder=bundle) == open_bundle(bundle)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["new"]
    with pytest.raises(InputError, match="Could not write"):
        unpack_bundle(tmp_path / "b.zip", tmp_path / "deep" / "new")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_each_way_to_make_a_hostile_zip_is_refused_and_nothing_is_left(bundle, tmp_path):
    def attempt(reason, spoil):
        path = zipped(bundle, tmp_path / "b.zip")
        spoil(path)
        with pytest.raises(BundleError) as error:
            unpack_bundle(path, tmp_path / "out" / "new")
        assert reason in error.value.why
        assert not list((tmp_path / "out").iterdir())

    def add(name, data=b"", mode=0):
        def spoil(path):
            member = zipfile.ZipInfo(name)
            member.external_attr, member.compress_type = mode << 16, zipfile.ZIP_DEFLATED
            with zipfile.ZipFile(path, "a") as archive:
                archive.writestr(member, data)
        return spoil

    for name in ("../evil", "/evil", "a/../../evil", "C:evil", "a\\b"):
        attempt("not a plain path", add(name))
    attempt("is a link", add("link", b"/etc/passwd", stat.S_IFLNK | 0o777))
    attempt("times its size", add("bomb", bytes(30 << 20)))
    attempt("does not list", add("extra", b"something"))
    attempt("Two of its names", add("LICENSE", b"free"))
    attempt("no plain zip", lambda path: path.write_bytes(b"PK\x03\x04 not really"))
    attempt("no plain zip", lambda path: path.write_bytes(path.read_bytes()[:-9]))
    attempt("no plain zip", lambda path: path.write_bytes(path.read_bytes().replace(b"PK\x03\x04", b"PK\x03\x05")))
    attempt("no such file", lambda path: path.unlink())

    def crowd(path):
        with zipfile.ZipFile(path, "a") as archive:
            for k in range(1100):
                archive.writestr(f"f{k}", b"")

    def lie(path):  # about the size of a member
        data = bytearray(path.read_bytes())
        at = data.rindex(b"PK\x01\x02")
        data[at + 24:at + 28] = struct.pack("<I", 4_000_000_000)
        path.write_bytes(data)

    attempt("more than 1000 files", crowd)
    attempt("would unpack to", lie)
