"""What the preferences offer: testing the device, freeing its memory, emptying the cache, telling what is installed."""

from __future__ import annotations

import bpy
from bpy.types import Operator

from lexis_core import __version__
from lexis_core.errors import RuntimeUnavailable

from .. import dialog, preferences, runtime, snapshot
from ..jobs import Work

PACKAGES = ("numpy", "scipy", "libigl", "onnxruntime", "pillow", "opencv-python-headless", "trimesh")
HOME = "~"


class LEXIS_OT_test_device(Operator):
    """Start the worker and ask what it can run on"""

    bl_idname = "lexis.test_device"
    bl_label = "Test"

    @classmethod
    def poll(cls, context):
        return not runtime.busy() or cls.poll_message_set("A job is running")

    @dialog.told
    def invoke(self, context, event):
        return self._ask(wait=False)

    @dialog.told
    def execute(self, context):
        self._ask(wait=True)
        self.report({"INFO"}, snapshot.last.worker)
        return {"FINISHED"}

    def _ask(self, wait: bool) -> set[str]:
        wanted = preferences.read().device
        runtime.run(Work("hello", lambda: ({}, {}), done=lambda event: _told(event.header, wanted),
                         failed=dialog.show), wait)
        return {"FINISHED"}


def _told(hello: dict, wanted: str) -> None:
    """Keep what the worker says of itself. RuntimeUnavailable when it has not the device wanted."""
    devices = [str(device) for device in hello["devices"]]
    snapshot.last.worker = (f"Python {hello['python']}, ONNX Runtime {hello['onnxruntime']}: "
                            f"{', '.join(devices) or 'no device'}")
    tr = bpy.app.translations.pgettext_iface
    snapshot.last.bundle = tr("Networks: {:s}").format(str(hello["bundle"]))
    if hello["version"] != __version__:
        raise RuntimeUnavailable("The worker's LEXIS is another one.",
                                 f"It has version {hello['version']}, this add-on has {__version__}.",
                                 "Install the same version in the worker Python that the preferences name.")
    if not devices:
        raise RuntimeUnavailable("The worker cannot run networks.", str(hello["onnxruntime"]),
                                 "Choose another worker Python in the preferences, or install LEXIS again.")
    if wanted not in ("auto", *devices):
        raise RuntimeUnavailable(f"The device {wanted} is not available.",
                                 f"The worker's ONNX Runtime offers {', '.join(devices)}.",
                                 "Choose another device, or a worker Python that has it.")


class LEXIS_OT_release_memory(Operator):
    """End the worker process, which frees its memory on the graphics card; the next job starts another"""

    bl_idname = "lexis.release_memory"
    bl_label = "Release GPU Memory"

    @classmethod
    def poll(cls, context):
        if runtime.jobs.worker is None:
            cls.poll_message_set("No worker is running")
        return runtime.jobs.worker is not None

    def execute(self, context):
        runtime.jobs.stop()
        runtime.redraw()
        return {"FINISHED"}


class LEXIS_OT_clear_cache(Operator):
    """Delete the results kept on disk; what is in scenes stays"""

    bl_idname = "lexis.clear_cache"
    bl_label = "Clear Cache"

    @classmethod
    def poll(cls, context):
        return not runtime.busy() or cls.poll_message_set("A job is running")

    def invoke(self, context, event):
        return context.window_manager.invoke_confirm(self, event)

    @dialog.told
    def execute(self, context):
        count = preferences.empty_cache()
        self.report({"INFO"}, bpy.app.translations.pgettext_rpt("{:d} results deleted").format(count))
        return {"FINISHED"}


class LEXIS_OT_copy_debug_info(Operator):
    """Copy what a bug report needs; your home folder is left out of all paths"""

    bl_idname = "lexis.copy_debug_info"
    bl_label = "Copy Debug Info"

    def execute(self, context):
        context.window_manager.clipboard = debug_info()
        self.report({"INFO"}, "Copied")
        return {"FINISHED"}


def debug_info() -> str:
    """What is installed and how it is set, and the last lines of the worker's log."""
    import platform  # this and importlib.metadata would double what switching the add-on on takes
    import sys
    from pathlib import Path

    chosen = preferences.read()
    worker = runtime.jobs.worker
    log = runtime.log_file()
    lines = [
        f"LEXIS {__version__} ({__package__.split('.')[0]})",
        f"Blender {bpy.app.version_string}, {'background' if bpy.app.background else 'window'}",
        f"{platform.platform()}, Python {platform.python_version()} at {sys.executable}",
        ", ".join(f"{name} {_version(name)}" for name in PACKAGES),
        f"device {chosen.device}, worker Python {chosen.worker_python or '(Blender)'}, "
        f"body {chosen.body_path or '(default)'}, cache {preferences.cache_folder()}",
        f"worker {'none' if worker is None else worker.pid}; {snapshot.last.worker or 'not tested'}",
        f"last job {snapshot.last.summary or 'none'}",
        "worker's log:",
        *(log.read_text("utf-8", "replace").splitlines()[-30:] if log.is_file() else ["(none)"]),
    ]
    return "\n".join(lines).replace(str(Path.home()), HOME)


def _version(package: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"


CLASSES = (LEXIS_OT_test_device, LEXIS_OT_release_memory, LEXIS_OT_clear_cache, LEXIS_OT_copy_debug_info)
