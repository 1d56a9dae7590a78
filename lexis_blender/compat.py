"""What differs between the Blender versions we serve (4.2 to 5.2), told by feature and not by version number."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, redirect_stdout
from typing import Any

import bpy

BRUSH = "LEXIS Paint"


def _path(subtype: str) -> dict[str, Any]:
    """A path that may begin with //, the .blend's folder: from 4.5 on Blender wants to be told so."""
    told = "is_path_supports_blend_relative" in bpy.types.Property.bl_rna.properties
    return {"subtype": subtype} | ({"options": {"PATH_SUPPORTS_BLEND_RELATIVE"}} if told else {})


FILE, FOLDER = _path("FILE_PATH"), _path("DIR_PATH")  # what a StringProperty is told


def new_shape_key(target: bpy.types.Object, name: str) -> bpy.types.ShapeKey:
    """A shape key at value 0: new ones start at 0 up to 4.5 and at 1 from 5.0."""
    key = target.shape_key_add(name=name, from_mix=False)
    key.value = 0.0
    return key


def node_tree(owner: bpy.types.Material | bpy.types.World) -> bpy.types.NodeTree:
    """The shader nodes, made if need be: up to 4.5 new materials and worlds have none before told to use nodes."""
    if owner.node_tree is None:
        owner.use_nodes = True
    return owner.node_tree


def tool_settings(context: bpy.types.Context) -> bpy.types.ToolSettings:
    """The same as `context.tool_settings`, which must not be read: in 4.2 that makes the scene the owner of the context
    and of what is taken from it. The next file frees that scene, and whoever sets `context.window.scene` then, as the
    glTF exporter does, writes into freed memory.
    """
    return context.scene.tool_settings


def take_weight_brush(context: bpy.types.Context, weight: float) -> str:
    """Let the weight brush paint this weight, one group at a time; what give_back_weight_brush() takes."""
    tools, unified = tool_settings(context), _unified_paint(context)
    before = [tools.use_auto_normalize, tools.use_multipaint, unified.use_unified_weight, unified.weight]
    tools.use_auto_normalize = tools.use_multipaint = False  # else painting would change the weights of the bones
    unified.use_unified_weight, unified.weight = True, weight
    return json.dumps(before)


def give_back_weight_brush(context: bpy.types.Context, before: str) -> None:
    """Put the brush back as it was before take_weight_brush()."""
    if not before:
        return
    tools, unified = tool_settings(context), _unified_paint(context)
    tools.use_auto_normalize, tools.use_multipaint, unified.use_unified_weight, unified.weight = json.loads(before)


def need_weight_brush(context: bpy.types.Context) -> None:
    """A brush where there is none, in weight paint: Debian's Blender 4.3 has no assets, and no stroke would paint."""
    paint, place = tool_settings(context).weight_paint, largest_view(context.window)
    if bpy.app.background or place is None or paint.brush is not None:
        return
    brush = bpy.data.brushes.get(BRUSH) or bpy.data.brushes.new(BRUSH, mode="WEIGHT_PAINT")
    if "asset_activate" not in dir(bpy.ops.brush):  # up to 4.2
        paint.brush = brush
        return
    brush.asset_mark()
    with context.temp_override(**place):
        bpy.ops.brush.asset_activate(asset_library_type="LOCAL", relative_asset_identifier=f"Brush/{BRUSH}")


def drop_weight_brush() -> None:
    """Remove what need_weight_brush() made."""
    if (brush := bpy.data.brushes.get(BRUSH)) is not None:
        bpy.data.brushes.remove(brush)


def _unified_paint(context: bpy.types.Context) -> bpy.types.UnifiedPaintSettings:
    """Of all painting modes up to 4.5, of weight paint alone from 5.0."""
    tools = tool_settings(context)
    own = getattr(tools.weight_paint, "unified_paint_settings", None)
    return tools.unified_paint_settings if own is None else own


def selected_bones(rig: bpy.types.Object) -> list[bpy.types.PoseBone]:
    """The selected pose bones, in whatever mode; from 5.0 the pose bone knows, before that its bone."""
    return [bone for bone in rig.pose.bones if (bone if hasattr(bone, "select") else bone.bone).select]


def known_options(operator: Any, **options: Any) -> dict[str, Any]:
    """Those options that this version of a bpy.ops operator has; exporters gain and lose some between releases."""
    known = operator.get_rna_type().properties.keys()
    return {name: value for name, value in options.items() if name in known}


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what Blender and its exporters print, each version something else, off standard output."""
    sys.stdout.flush()
    kept = os.dup(1)
    try:
        with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
            os.dup2(nowhere.fileno(), 1)
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def with_window() -> AbstractContextManager:
    """A context with a window. It has none in a script that has just opened a file, until Blender itself goes on.

    Where it has one it is left alone: with Python 3.11 an operator inside temp_override looks into its dictionary
    without holding the interpreter's lock while another thread runs, and may crash Blender.
    """
    windows = bpy.context.window_manager.windows
    if bpy.context.window is not None or not windows:
        return nullcontext()
    return bpy.context.temp_override(window=windows[0])


def largest_view(window: bpy.types.Window | None) -> dict[str, Any] | None:
    """What temp_override needs for operators of the window's largest 3D View; None when it shows none."""
    areas = [area for area in window.screen.areas if area.type == "VIEW_3D"] if window is not None else []
    if not areas:
        return None
    area = max(areas, key=lambda a: a.width * a.height)
    return {"window": window, "area": area, "region": next(r for r in area.regions if r.type == "WINDOW")}
