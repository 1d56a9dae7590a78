"""Results from and to files: the File menu's entries and drag and drop."""

from __future__ import annotations

from pathlib import Path

import bpy
from bpy.props import BoolProperty, CollectionProperty, StringProperty
from bpy.types import FileHandler, Operator, OperatorFileListElement
from bpy_extras.io_utils import ExportHelper, ImportHelper

from lexis_core.errors import InputError

from .. import dialog, snapshot, view
from ..compat import FILE
from ..scene import identity
from ..scene.identity import Imported
from .result import ForImport, active

SUFFIX = ".lexis.npz"


class LEXIS_OT_import_result(Operator, ImportHelper):
    """Add reconstructions to the scene, each as a collection with rig, body, object and camera"""

    bl_idname = "lexis.import_result"
    bl_label = "Import LEXIS Reconstruction"
    bl_options = {"REGISTER", "UNDO", "PRESET"}

    filename_ext = ".npz"
    filter_glob: StringProperty(default="*.npz", options={"HIDDEN"})
    files: CollectionProperty(type=OperatorFileListElement, options={"HIDDEN", "SKIP_SAVE"})
    directory: StringProperty(subtype="DIR_PATH", options={"HIDDEN", "SKIP_SAVE"})
    set_scene: BoolProperty(name="Camera of the Scene", default=False,
                            description="Let the scene render through the photo's camera, at the photo's size")
    body_path: StringProperty(name="Body", **FILE,
                              description="The SMPL-X file the result was solved with; empty finds it")

    def invoke(self, context, event):
        if self.directory and self.files:  # dropped into the window
            return self.execute(context)
        return ImportHelper.invoke(self, context, event)

    @dialog.told
    def execute(self, context):
        from .. import api, bodies

        made, failed = [], []
        for path in self._paths():
            try:
                result = api.load(path)
                body = bpy.path.abspath(self.body_path) or bodies.body_of(result.body_digest, result.body_name)
                options = api.ImportOptions(name=api.name_of(path), set_scene=self.set_scene)
                made.append(api.import_reconstruction(result, body=body, options=options, file=path))
            except InputError as error:
                failed.append(error)
        _select(context, made)
        if made:
            view.show_in_window()
        if failed and not made:
            raise failed[0]
        for error in failed:
            self.report({"WARNING"}, str(error))
        self.report({"INFO"}, f"Imported {len(made)} reconstruction{'s' * (len(made) != 1)}.")
        return {"FINISHED"}

    def _paths(self) -> list[str]:
        names = [entry.name for entry in self.files if entry.name]
        if names:
            return [str(Path(bpy.path.abspath(self.directory)) / name) for name in names]
        if not self.filepath:
            raise InputError("Nothing was imported.", "No file is chosen.", "Choose a *.lexis.npz file.")
        return [bpy.path.abspath(self.filepath)]


class LEXIS_OT_export_result(ForImport, Operator, ExportHelper):
    """Write the reconstruction as it is posed and placed now, its InterField measured anew"""

    bl_idname = "lexis.export_result"
    bl_label = "Export LEXIS Reconstruction"
    bl_options = {"REGISTER"}

    filename_ext = SUFFIX
    filter_glob: StringProperty(default="*.npz", options={"HIDDEN"})
    collection: StringProperty(name="Collection", description="Of the reconstruction; empty takes the active one",
                               options={"HIDDEN", "SKIP_SAVE"})

    def invoke(self, context, event):
        self.filepath = f"{bpy.path.clean_name(active(context).collection.name)}{SUFFIX}"
        return ExportHelper.invoke(self, context, event)

    @dialog.told
    def execute(self, context):
        from .. import api

        path = bpy.path.abspath(self.filepath)
        if not path.lower().endswith(".npz"):
            path += SUFFIX
        result = api.export_reconstruction(self._chosen(context), path)
        edited = "as edited" if result.info.get("edited") else "as it was imported"
        self.report({"INFO"}, f"Wrote {Path(path).name}, {edited}.")
        return {"FINISHED"}

    def _chosen(self, context: bpy.types.Context) -> Imported:
        """The import of the collection that a collection's exporter names, else the one that is worked on."""
        if not self.collection:
            return active(context)
        made = snapshot.parts(identity.import_of(bpy.data.collections.get(self.collection)))
        if made is None:
            raise InputError(f'"{self.collection}" was not written.', "It is no whole reconstruction.",
                             "Choose the collection of a reconstruction, or import one.")
        return made


class LEXIS_FH_result(FileHandler):
    """A *.lexis.npz file dropped into the 3D View or the Outliner"""

    bl_idname = "LEXIS_FH_result"
    bl_label = "LEXIS Reconstruction"
    bl_import_operator = "lexis.import_result"
    bl_export_operator = "lexis.export_result"
    bl_file_extensions = ".npz"

    @classmethod
    def poll_drop(cls, context):
        return context.area is not None and context.area.type in ("VIEW_3D", "OUTLINER")


def _select(context: bpy.types.Context, made: list) -> None:
    """All that was imported, and nothing else; the last rig active."""
    for other in context.selected_objects:
        other.select_set(False)
    for item in made:
        for part in (item.rig, item.body, item.object, item.camera):
            part.select_set(True)
    if made:
        context.view_layer.objects.active = made[-1].rig


def _import_entry(menu: bpy.types.Menu, _: bpy.types.Context) -> None:
    menu.layout.operator(LEXIS_OT_import_result.bl_idname, text="LEXIS Reconstruction (.npz)")


def _export_entry(menu: bpy.types.Menu, context: bpy.types.Context) -> None:
    row = menu.layout.row()
    row.enabled = bool(snapshot.active_id(context))
    row.operator(LEXIS_OT_export_result.bl_idname, text="LEXIS Reconstruction (.npz)")


def register() -> None:
    bpy.types.TOPBAR_MT_file_import.append(_import_entry)
    bpy.types.TOPBAR_MT_file_export.append(_export_entry)


def unregister() -> None:
    bpy.types.TOPBAR_MT_file_export.remove(_export_entry)
    bpy.types.TOPBAR_MT_file_import.remove(_import_entry)


CLASSES = (LEXIS_OT_import_result, LEXIS_OT_export_result, LEXIS_FH_result)
