"""The extension zip of this platform and Python: built, validated, installed, used, updated and taken out again."""

from __future__ import annotations

import ast
import importlib.metadata
import json
import os
import platform
import re
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

import lexis_core
from lexis_blender.package.core import core_wheel
from lexis_blender.package.extension import LARGEST, blender_tool, build, write_index
from lexis_blender.package.wheels import PINS
from lexis_core.errors import RuntimeUnavailable

TOP = Path(__file__).parents[2]
DEMO = TOP / "lexis_core" / "data" / "demo"
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
HERE = {("Linux", "x86_64"): "linux-x64", ("Windows", "AMD64"): "windows-x64", ("Darwin", "arm64"): "macos-arm64"}.get(
    (platform.system(), platform.machine()))


@pytest.fixture(scope="module")
def zipped(tmp_path_factory) -> Path:
    """LEXIS_ZIPS names a folder of zips built before; else one is built here, which downloads its wheels."""
    if HERE is None:
        pytest.skip("there is no zip for this platform")
    if built := os.environ.get("LEXIS_ZIPS"):
        return next(Path(built).glob(f"*-{HERE}-cp{PYTHON.replace('.', '')}.zip")).absolute()
    try:
        return build(HERE, PYTHON, tmp_path_factory.mktemp("dist"))
    except RuntimeUnavailable as unavailable:
        pytest.skip(str(unavailable))


@pytest.fixture(scope="module")
def clean_python(tmp_path_factory) -> Path:
    """A Python with bpy and what bpy needs, as Blender's own is: no lexis_core, no wheel of ours."""
    folder = tmp_path_factory.mktemp("blender") / "python"
    venv.create(folder, with_pip=False)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    there = subprocess.run([python, "-c", "import sysconfig; print(sysconfig.get_path('platlib'))"], check=True,
                           capture_output=True, text=True).stdout.strip()
    for part in _needed_by("bpy", set()):
        (Path(there) / part.name).symlink_to(part)
    return python


def _needed_by(name: str, seen: set[str]) -> set[Path]:
    """Where a distribution and all it requires lie: files and folders of site-packages."""
    if name in seen:
        return set()
    seen.add(name)
    try:
        distribution = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:  # for another Python or platform
        return set()
    tops = {file.parts[0] for file in distribution.files if ".." not in file.parts}
    found = {Path(str(distribution.locate_file(top))) for top in tops}
    for requirement in distribution.requires or ():
        if "extra ==" not in requirement:
            found |= _needed_by(re.match(r"[\w.-]+", requirement)[0], seen)
    return {path for path in found if path.exists() and path.name != "__pycache__"}


@pytest.fixture(scope="module")
def told(zipped, clean_python, tmp_path_factory) -> dict:
    """What extension_story.py saw."""
    folder = tmp_path_factory.mktemp("story")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "BLENDER"))}
    done = subprocess.run(
        [clean_python, Path(__file__).with_name("extension_story.py"), zipped, DEMO / "camera.png",
         DEMO / "person_mask.png", DEMO / "tripod_mask.png", folder / "report.json"],
        cwd=folder, env={**inherited, "BLENDER_USER_RESOURCES": str(folder / "blender")}, capture_output=True,
        text=True)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return {**json.loads((folder / "report.json").read_text(encoding="utf-8")), "said": done.stdout + done.stderr}


def test_blenders_own_tool_finds_the_zip_valid(zipped):
    assert "Success" in blender_tool("validate", str(zipped))
    assert zipped.stat().st_size <= LARGEST


def test_the_zip_holds_no_numpy_nor_what_only_training_needs(zipped):
    with zipfile.ZipFile(zipped) as content:
        wheels = [Path(name).name for name in content.namelist() if name.endswith(".whl")]
        assert sorted(name.split("-")[0] for name in wheels) == sorted(
            ["lexis_core", *(pin.name.replace("-", "_") for pin in PINS)])
        core = content.open(next(name for name in content.namelist() if "lexis_core" in name))
        inside = zipfile.ZipFile(core).namelist()
        texts = [content.read(name).decode() for name in content.namelist() if name.endswith((".py", ".toml", ".txt"))]
    assert not [name for name in inside if name.endswith((".pt", ".ckpt")) or "/weights/" in name]
    for part in ("bundle/LICENSE", "bundle/NOTICE", "body/NOTICE.txt", "body/LICENSE-Apache-2.0.txt",
                 "demo/LICENSE.txt"):
        assert f"lexis_core/data/{part}" in inside
    assert not [text for text in texts if "sys.path.append" in text or "sys.path.insert" in text]


def test_each_wheel_brings_its_licence_and_none_brings_what_is_not_free(zipped):
    with zipfile.ZipFile(zipped) as content:
        for name in (name for name in content.namelist() if name.endswith(".whl")):
            inside = zipfile.ZipFile(content.open(name)).namelist()
            assert any("LICEN" in each.upper() for each in inside), name
            assert not [each for each in inside if "triangle" in each and each.startswith("igl/")]


def test_the_manifest_says_which_versions_of_blender_the_zip_is_for(zipped):
    with zipfile.ZipFile(zipped) as content:
        manifest = tomllib.loads(content.read("blender_manifest.toml").decode())
    assert manifest["version"] == lexis_core.__version__
    assert manifest["platforms"] == [HERE]
    assert list(manifest["permissions"]) == ["files"]
    assert (manifest["blender_version_min"], manifest.get("blender_version_max")) == {
        "3.11": ("4.2.0", "5.1.0"), "3.13": ("5.1.0", None)}[PYTHON]


def test_a_changed_core_is_another_version_of_its_wheel(tmp_path, monkeypatch):
    copy = tmp_path / "lexis_core"
    copy.mkdir()
    (copy / "__init__.py").write_text("first")
    monkeypatch.setattr(lexis_core, "__file__", str(copy / "__init__.py"))
    first = core_wheel(tmp_path).name
    assert core_wheel(tmp_path).name == first
    (copy / "__init__.py").write_text("second")
    assert core_wheel(tmp_path).name != first


def test_the_index_of_a_repository_lists_the_zip(zipped, tmp_path):
    (tmp_path / zipped.name).symlink_to(zipped)
    listed = json.loads(write_index(tmp_path).read_text(encoding="utf-8"))["data"]
    assert [(each["id"], each["archive_size"]) for each in listed] == [("lexis_blender", zipped.stat().st_size)]


def test_no_absolute_import_of_the_add_on(zipped):
    """Inside Blender its name is another one."""
    with zipfile.ZipFile(zipped) as content:
        for name in (name for name in content.namelist() if name.endswith(".py")):
            for node in ast.walk(ast.parse(content.read(name))):
                names = [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else [
                    alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                assert not [each for each in names if each.split(".")[0] == "lexis_blender"], name


def test_enabling_loads_none_of_the_heavy_wheels(told):
    assert told["ours before"] == []
    assert not {"scipy", "igl", "onnxruntime", "cv2", "trimesh"} & set(told["loaded by enabling"])
    assert "reconstruct" in told["enabled"]["operators"]


def test_it_reconstructs_with_its_own_wheels(told):
    assert told["reconstruct"]["done"] == ["FINISHED"]
    assert len(told["reconstruct"]["rigs"]) == 1
    fields = [attributes for attributes in told["reconstruct"]["meshes"].values() if "interfield" in attributes]
    assert len(fields) == 2
    files = [Path(file).as_posix() for file in told["files"].values()]
    assert files and all("blender/extensions/.local" in file for file in files)


@pytest.mark.parametrize("state", ["disabled", "uninstalled"])
def test_nothing_is_left(told, state):
    for kind, before in told["before"].items():
        assert told[state][kind] == before, kind
    assert told[f"timers {state}"] == []


def test_switched_on_again_or_updated_it_is_as_before(told):
    for kind in ("types", "operators", "properties", "handlers", "menus", "keymaps"):
        assert told["enabled again"][kind] == told["enabled"][kind], kind
        assert told["updated"][kind] == told["enabled"][kind], kind


def test_no_file_and_no_module_stays(told):
    assert told["files left"] == []
    assert told["modules left"] == []
