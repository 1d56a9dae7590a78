"""What a file of its own needs beside the import to be looked at and rendered: light, and views that show the field."""

from __future__ import annotations

import bpy

from .. import compat

SKY = (0.6, 0.6, 0.6, 1.0)
SUN_STRENGTH = 2.0  # watts a square metre


def dress(scene: bpy.types.Scene) -> None:
    """Add a world and a sun from the upper left behind the camera; show the fields' colours as they are, through it."""
    world = bpy.data.worlds.new("LEXIS world")
    background = next(n for n in compat.node_tree(world).nodes if n.type == "BACKGROUND")
    background.inputs["Color"].default_value = SKY
    scene.world = world
    light = bpy.data.lights.new("LEXIS sun", "SUN")
    light.energy = SUN_STRENGTH
    sun = bpy.data.objects.new("LEXIS sun", light)
    sun.rotation_euler = (0.9, 0.0, -0.6)
    sun.location = (-2.0, 0.0, 3.0)
    scene.collection.objects.link(sun)
    scene.view_settings.view_transform = "Standard"
    for screen in bpy.data.screens:
        for area in screen.areas:
            if area.type == "VIEW_3D":
                space = area.spaces.active
                space.shading.color_type = "VERTEX"
                space.region_3d.view_perspective = "CAMERA"
