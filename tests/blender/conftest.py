"""Every test starts from an empty Blender file; bodies and results are made once."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

bpy = pytest.importorskip("bpy", reason="the bpy wheel is not installed")
sys.path.insert(0, str(Path(__file__).parents[1] / "data"))
DEMO = Path(__file__).parents[2] / "lexis_core" / "data" / "demo"

from made_up_results import made_up_result  # noqa: E402
from synthetic_smplx import smplx_like  # noqa: E402

from lexis_core.body.files import load_body  # noqa: E402


@pytest.fixture(autouse=True)
def empty_file():
    bpy.ops.wm.read_factory_settings(use_empty=True)


@pytest.fixture(scope="session")
def default_body():
    return load_body()


@pytest.fixture(scope="session")
def made_up_body():
    """SMPL-X's size and skeleton, with pose correctives."""
    return smplx_like()


@pytest.fixture(scope="session")
def upright_body():
    """The made-up body where it is exactly mirrored: no betas or expressions are used with it."""
    return replace(smplx_like(vertices=2000, pose_dirs=False), hand_mean_left=np.zeros((15, 3), np.float32),
                   hand_mean_right=np.zeros((15, 3), np.float32))


@pytest.fixture(params=["default", "made-up"])
def body(request):
    return request.getfixturevalue({"default": "default_body", "made-up": "made_up_body"}[request.param])


@pytest.fixture(scope="session")
def small_body():
    """Quick to import, for tests that are not about the body."""
    return smplx_like(vertices=1500, pose_dirs=False)


@pytest.fixture
def result(small_body):
    return made_up_result(small_body)


@pytest.fixture
def addon(empty_file):
    """LEXIS switched on as a user does, and off again."""
    import addon_utils

    assert addon_utils.enable("lexis_blender", default_set=True) is not None
    yield sys.modules["lexis_blender"]
    addon_utils.disable("lexis_blender", default_set=True)


@pytest.fixture
def settings(addon):
    return bpy.context.scene.lexis


@pytest.fixture
def demo(settings):
    """The photo, masks and object of the demo, by the quick method."""
    settings.image_path = str(DEMO / "camera.png")
    settings.person_source, settings.person_mask_path = "FILE", str(DEMO / "person_mask.png")
    settings.object_source, settings.object_mask_path = "FILE", str(DEMO / "tripod_mask.png")
    settings.object_kind, settings.object_name = "LIBRARY", "tripod"
    settings.method = "ESTIMATE"
    return settings
