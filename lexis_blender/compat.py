"""What differs between the Blender versions we serve (4.2 to 5.2), told by feature and not by version number."""

from __future__ import annotations

from typing import Any

import bpy


def new_shape_key(target: bpy.types.Object, name: str) -> bpy.types.ShapeKey:
    """A shape key at value 0: new ones start at 0 up to 4.5 and at 1 from 5.0."""
    key = target.shape_key_add(name=name, from_mix=False)
    key.value = 0.0
    return key


def node_tree(material: bpy.types.Material) -> bpy.types.NodeTree:
    """The material's node tree, made if need be: up to 4.5 a new material has none before it is told to use nodes."""
    if material.node_tree is None:
        material.use_nodes = True
    return material.node_tree


def known_options(operator: Any, **options: Any) -> dict[str, Any]:
    """Those options that this version of a bpy.ops operator has; exporters gain and lose some between releases."""
    known = operator.get_rna_type().properties.keys()
    return {name: value for name, value in options.items() if name in known}
