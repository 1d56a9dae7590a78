"""The material that shows an InterField by a colour ramp, with a legend in metres beside it."""

from __future__ import annotations

import bpy
import numpy as np

from lexis_core.draw import RAMP
from lexis_core.interfield import distance_of

from .. import compat
from .attributes import FIELD, linear

NAME = "LEXIS InterField"
SIGMA = "lexis_sigma"


def interfield_material(sigma: float) -> bpy.types.Material:
    """The one material of all fields with this fall-off (metres), made on first use."""
    for material in bpy.data.materials:
        if SIGMA in material and np.isclose(material[SIGMA], sigma):
            return material
    material = bpy.data.materials.new(NAME)
    material[SIGMA] = float(sigma)
    tree = compat.node_tree(material)
    tree.nodes.clear()
    attribute = _node(tree, "ShaderNodeAttribute", (-760, 0))
    attribute.attribute_name, attribute.label = FIELD, "InterField: 1 touches, 0 is far"
    colours = _node(tree, "ShaderNodeValToRGB", (-520, 0))
    colours.label = f"InterField, sigma {100 * sigma:.3g} cm"
    _fill(colours.color_ramp)
    surface = _node(tree, "ShaderNodeBsdfPrincipled", (-160, 0))
    surface.inputs["Roughness"].default_value = 0.7
    output = _node(tree, "ShaderNodeOutputMaterial", (140, 0))
    tree.links.new(attribute.outputs["Fac"], colours.inputs["Fac"])
    tree.links.new(colours.outputs["Color"], surface.inputs["Base Color"])
    tree.links.new(surface.outputs["BSDF"], output.inputs["Surface"])
    _add_legend(tree, sigma)
    return material


def stop_label(value: float, sigma: float) -> str:
    """What a stop of the ramp means, such as "0.75: 0.076 m"."""
    if value <= 0:
        return f"{value:.2f}: far"
    metres = float(distance_of(np.array([value]), sigma)[0])
    return f"{value:.2f}: touching" if metres == 0 else f"{value:.2f}: {metres:.3f} m"


def _fill(color_ramp: bpy.types.ColorRamp) -> None:
    color_ramp.interpolation = "LINEAR"
    while len(color_ramp.elements) > 1:
        color_ramp.elements.remove(color_ramp.elements[-1])
    for index, (value, colour) in enumerate(RAMP):
        stop = color_ramp.elements.new(value) if index else color_ramp.elements[0]
        stop.position = value
        stop.color = (*linear(np.array(colour)), 1.0)


def _add_legend(tree: bpy.types.NodeTree, sigma: float) -> None:
    """One coloured, labelled frame a stop, under the ramp."""
    for index, (value, colour) in enumerate(RAMP):
        frame = _node(tree, "NodeFrame", (-760 + 170 * index, -300))
        frame.label, frame.label_size = stop_label(value, sigma), 16
        frame.use_custom_color, frame.color = True, colour
        frame.width, frame.height = 150, 60


def _node(tree: bpy.types.NodeTree, kind: str, location: tuple[float, float]) -> bpy.types.Node:
    node = tree.nodes.new(kind)
    node.location = location
    return node
