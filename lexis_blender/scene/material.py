"""The materials that show a field by a colour ramp, with a legend in metres beside it."""

from __future__ import annotations

import bpy
import numpy as np

from lexis_core.colours import RAMP
from lexis_core.interfield import distance_of

from .. import compat
from .attributes import linear

SIGMA, KIND = "lexis_sigma", "lexis_field"
NAMES = {"interfield": "LEXIS InterField", "distance": "LEXIS Distance", "contact": "LEXIS Contact",
         "predicted": "LEXIS Predicted", "painted": "LEXIS Painted"}


def field_material(kind: str, sigma: float) -> bpy.types.Material:
    """The one material that shows this kind of field with this fall-off (metres), made on first use."""
    for material in bpy.data.materials:
        if is_ours(material) and np.isclose(material[SIGMA], sigma) and material.get(KIND, "interfield") == kind:
            return material
    material = bpy.data.materials.new(NAMES[kind])
    material[SIGMA], material[KIND] = float(sigma), kind
    tree = compat.node_tree(material)
    tree.nodes.clear()
    attribute = _node(tree, "ShaderNodeAttribute", (-960, 0))
    attribute.attribute_name, attribute.label = kind, NAMES[kind].removeprefix("LEXIS ")
    value = attribute.outputs["Fac"]
    if kind == "distance":
        value = _nearness(tree, value, sigma)
    colours = _node(tree, "ShaderNodeValToRGB", (-520, 0))
    colours.label = f"{NAMES[kind]}, sigma {100 * sigma:.3g} cm"
    _fill(colours.color_ramp)
    surface = _node(tree, "ShaderNodeBsdfPrincipled", (-160, 0))
    surface.inputs["Roughness"].default_value = 0.7
    output = _node(tree, "ShaderNodeOutputMaterial", (140, 0))
    tree.links.new(value, colours.inputs["Fac"])
    tree.links.new(colours.outputs["Color"], surface.inputs["Base Color"])
    tree.links.new(surface.outputs["BSDF"], output.inputs["Surface"])
    _add_legend(tree, kind, sigma)
    return material


def is_ours(material: bpy.types.Material) -> bool:
    return SIGMA in material


def reach(sigma: float) -> float:
    """Metres at which a shown distance takes the ramp's far end, where the field is all but 0."""
    return 3 * sigma


def legend(kind: str, sigma: float, threshold: float | None = None) -> list[tuple[float, str]]:
    """The ramp's stops that a field uses, and what each means, the far end first. threshold : metres, of contact"""
    if kind == "contact":
        near = "contact" if threshold is None else f"nearer than {_length(threshold)}"
        return [(0.0, "no contact"), (1.0, near)]
    if kind == "distance":
        return [(value, _length((1 - value) * reach(sigma)) + ("" if value else " and more")) for value, _ in RAMP]
    return [(value, stop_label(value, sigma)) for value, _ in RAMP]


def stop_label(value: float, sigma: float) -> str:
    """What a stop of the ramp means, such as "0.75: 0.076 m"."""
    if value <= 0:
        return f"{value:.2f}: far"
    metres = float(distance_of(np.array([value]), sigma)[0])
    return f"{value:.2f}: touching" if metres == 0 else f"{value:.2f}: {metres:.3f} m"


def _length(metres: float) -> str:
    return f"{metres:.3f} m"


def _nearness(tree: bpy.types.NodeTree, distance: bpy.types.NodeSocket, sigma: float) -> bpy.types.NodeSocket:
    """From metres to the ramp: 1 touches, 0 is reach() and beyond."""
    node = _node(tree, "ShaderNodeMapRange", (-740, 0))
    node.clamp = True
    for name, value in (("From Min", 0.0), ("From Max", reach(sigma)), ("To Min", 1.0), ("To Max", 0.0)):
        node.inputs[name].default_value = value
    tree.links.new(distance, node.inputs["Value"])
    return node.outputs["Result"]


def _fill(color_ramp: bpy.types.ColorRamp) -> None:
    color_ramp.interpolation = "LINEAR"
    while len(color_ramp.elements) > 1:
        color_ramp.elements.remove(color_ramp.elements[-1])
    for index, (value, colour) in enumerate(RAMP):
        stop = color_ramp.elements.new(value) if index else color_ramp.elements[0]
        stop.position = value
        stop.color = (*linear(np.array(colour)), 1.0)


def _add_legend(tree: bpy.types.NodeTree, kind: str, sigma: float) -> None:
    """One coloured, labelled frame a stop, under the ramp."""
    colours = dict(RAMP)
    for index, (value, text) in enumerate(legend(kind, sigma)):
        frame = _node(tree, "NodeFrame", (-760 + 170 * index, -300))
        frame.label, frame.label_size = text, 16
        frame.use_custom_color, frame.color = True, colours[value]
        frame.width, frame.height = 150, 60


def _node(tree: bpy.types.NodeTree, kind: str, location: tuple[float, float]) -> bpy.types.Node:
    node = tree.nodes.new(kind)
    node.location = location
    return node
