"""The walls of the house: which package may import what, read from the source and seen in a fresh interpreter."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def imports(folder: str, but: tuple[str, ...] = ()) -> dict[str, set[str]]:
    """Every module's imported top-level names, wherever in the file they are imported."""
    found = {}
    for path in sorted((ROOT / folder).rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        if any(name.startswith(prefix) for prefix in but):
            continue
        nodes = list(ast.walk(ast.parse(path.read_text("utf-8"))))
        names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
        found[name] = {module.split(".")[0] for module in names}
    return found


def breaches(modules: dict[str, set[str]], forbidden: set[str]) -> dict[str, set[str]]:
    return {name: names & forbidden for name, names in modules.items() if names & forbidden}


def test_the_core_never_imports_bpy():
    assert not breaches(imports("lexis_core"), {"bpy", "bmesh", "mathutils"})


def test_torch_lives_in_learn_and_synthetic_alone():
    apart = ("lexis_core/learn/", "lexis_core/synthetic/", "lexis_core/body/bake.py", "lexis_core/body/makehuman.py")
    assert not breaches(imports("lexis_core", apart), {"torch", "smplx", "numba"})


def test_the_add_on_imports_neither_torch_nor_the_inference_runtime():
    assert not breaches(imports("lexis_blender"), {"torch", "onnxruntime", "lexis_core.learn"})


def test_an_import_inside_a_function_is_seen_too():
    assert "bpy" in imports("lexis_blender")["lexis_blender/api.py"]
    assert "onnxruntime" in imports("lexis_core")["lexis_core/runtime/devices.py"]


def test_a_photo_is_reconstructed_without_what_training_needs():
    """The networks run in ONNX Runtime and numpy alone."""
    script = """if True:
        import sys
        from lexis_core.pipeline import reconstruct, refine
        from lexis_core.runtime import worker
        demo = "lexis_core/data/demo/"
        found = reconstruct(demo + "camera.png", "tripod", person_mask=demo + "person_mask.png",
                            object_mask=demo + "tripod_mask.png", method="noise", steps=2)
        refine(found, steps=2)
        print(*sys.modules)"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert "onnxruntime" in loaded and {"torch", "numba", "bpy", "matplotlib"}.isdisjoint(loaded)
    assert not [name for name in loaded if name.startswith(("lexis_core.learn", "lexis_core.synthetic"))]


@pytest.mark.parametrize("module", ["lexis_core", "lexis_core.cli"])
def test_the_command_line_starts_light(module):
    script = f"import sys, {module}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {"numpy", "cv2", "onnxruntime", "trimesh", "igl", "bpy", "torch"}.isdisjoint(loaded.split())
