"""What lexis_blender may import, seen in a fresh interpreter."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def imported_by(statement: str) -> set[str]:
    """The modules in a Python that has only run this statement."""
    script = f"{statement}\nimport json, sys\nprint(json.dumps(list(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[2], capture_output=True, text=True,
                          check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_the_package_alone_needs_no_blender():
    assert "bpy" not in imported_by("import lexis_blender")


def test_the_api_brings_neither_torch_nor_the_inference_runtime():
    assert {"torch", "onnxruntime"}.isdisjoint(imported_by("import lexis_blender.api"))
