"""Runs in a Python that has Blender and nothing of ours: installs the zip, uses it, updates it, takes it out again.

python extension_story.py ZIP PHOTO PERSON_MASK OBJECT_MASK REPORT
"""

from __future__ import annotations

import json
import sys
import threading
import time
import types
from pathlib import Path

import bpy

NAME = "bl_ext.user_default.lexis_blender"
WHEELS = ("lexis_core", "scipy", "igl", "onnxruntime", "cv2", "PIL", "trimesh", "fast_simplification",
          "threadpoolctl")
HOSTS = ("Scene", "Object", "Mesh", "Collection", "Image", "Material", "Armature", "PoseBone", "WindowManager")
MENUS = ("TOPBAR_MT_file_import", "TOPBAR_MT_file_export", "VIEW3D_MT_object", "VIEW3D_MT_add", "VIEW3D_HT_header")


def install(zipped: str) -> None:
    """Install or update from the zip, and switch on."""
    done = bpy.ops.extensions.package_install_files(repo="user_default", filepath=zipped, enable_on_install=True)
    assert done == {"FINISHED"}, done


def traces() -> dict[str, list[str]]:
    """All that an add-on can leave in Blender."""
    handlers = {name: getattr(bpy.app.handlers, name) for name in dir(bpy.app.handlers)}
    found = {
        "types": dir(bpy.types),
        "operators": dir(bpy.ops.lexis),
        "properties": [f"{host}.{each.identifier}" for host in HOSTS
                       for each in getattr(bpy.types, host).bl_rna.properties],
        "handlers": [f"{name} {f.__module__}.{f.__name__}" for name, functions in handlers.items()
                     if isinstance(functions, list) for f in functions],
        "menus": [f"{menu} {f.__module__}.{f.__name__}" for menu in MENUS
                  for f in getattr(bpy.types, menu)._dyn_ui_initialize()],
        "keymaps": [f"{keymap.name} {item.idname}" for keymap in bpy.context.window_manager.keyconfigs.addon.keymaps
                    for item in keymap.keymap_items],
        "threads": [thread.name for thread in threading.enumerate()],
        "add-ons": bpy.context.preferences.addons.keys(),
    }
    # Reading the factory settings doubles some handlers of Blender's own.
    return {kind: sorted({*names}) + sorted(name for name in names if NAME in name) for kind, names in found.items()}


def timers() -> list[str]:
    """The add-on's functions that Blender's timers still hold."""
    functions = {value for name, module in list(sys.modules.items()) if name.startswith(NAME)
                 for value in vars(module).values() if isinstance(value, types.FunctionType)}
    return [function.__qualname__ for function in functions if bpy.app.timers.is_registered(function)]


def reconstruct(photo: str, person_mask: str, object_mask: str) -> dict:
    """The demo photo through the panel's own settings and operator."""
    settings = bpy.context.scene.lexis
    settings.image_source, settings.image_path = "FILE", photo
    settings.person_source, settings.person_mask_path = "FILE", person_mask
    settings.object_source, settings.object_mask_path = "FILE", object_mask
    settings.object_kind, settings.object_name = "LIBRARY", "tripod"
    settings.preset = "FAST"
    began = time.monotonic()
    done = bpy.ops.lexis.reconstruct()
    meshes = {item.name: sorted(item.data.attributes.keys()) for item in bpy.data.objects if item.type == "MESH"}
    return {"done": sorted(done), "seconds": time.monotonic() - began, "meshes": meshes,
            "rigs": [item.name for item in bpy.data.objects if item.type == "ARMATURE"]}


def main(zipped: str, photo: str, person_mask: str, object_mask: str, report: str) -> None:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    told: dict = {"before": traces(), "ours before": [name for name in WHEELS if name in sys.modules]}
    install(zipped)
    told["loaded by enabling"] = [name for name in WHEELS if name in sys.modules]
    told["enabled"] = traces()
    told["reconstruct"] = reconstruct(photo, person_mask, object_mask)
    told["files"] = {name: str(sys.modules[name].__file__) for name in WHEELS if name in sys.modules}
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.preferences.addon_enable(module=NAME)
    bpy.ops.preferences.addon_disable(module=NAME)
    told["disabled"], told["timers disabled"] = traces(), timers()
    bpy.ops.preferences.addon_enable(module=NAME)
    told["enabled again"] = traces()
    install(zipped)
    told["updated"] = traces()
    bpy.ops.extensions.package_uninstall(repo_index=_repository(), pkg_id="lexis_blender")
    told["uninstalled"], told["timers uninstalled"] = traces(), timers()
    told["modules left"] = sorted(name for name in sys.modules if name.startswith((NAME, "lexis_core")))
    folder = Path(bpy.utils.user_resource("EXTENSIONS"))
    files = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    # Blender keeps a cache of its own, and forgets Python's of a wheel that is one file.
    told["files left"] = sorted(file for file in files
                                if not file.startswith(".cache/") and "site-packages/__pycache__/" not in file)
    Path(report).write_text(json.dumps(told), encoding="utf-8")


def _repository() -> int:
    return next(i for i, each in enumerate(bpy.context.preferences.extensions.repos) if each.module == "user_default")


if __name__ == "__main__":
    main(*sys.argv[1:])
