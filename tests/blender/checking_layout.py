"""A layout that draws nothing and checks every call against what Blender's own layout has.

A function, argument, icon, property or operator that this Blender lacks fails the test, as does a text wider than the
sidebar. Panel.draw is a plain function, so no window is needed.
"""

from __future__ import annotations

from types import SimpleNamespace

import bpy

LAYOUT = bpy.types.UILayout.bl_rna
INSIDE = ("row", "column", "box", "split", "column_flow", "grid_flow", "menu_pie")
LABEL = 30   # characters of a label that fit into the usual sidebar of 260 pixels, its icon included
BESIDE = 15  # of the name beside a field, which has two fifths of that
WITHIN = 20  # of the name within a field, which its value shares


class OperatorProperties:
    """What layout.operator() returns: it takes only the properties of that operator."""

    def __init__(self, name: str):
        module, _, function = name.partition(".")
        known = getattr(getattr(bpy.ops, module), function).get_rna_type()  # KeyError when it is not registered
        object.__setattr__(self, "_known", known)

    def __setattr__(self, name, value):
        prop = self._known.properties[name]
        if prop.type == "ENUM":
            assert value in prop.enum_items, f"{name} of {self._known.identifier} cannot be {value!r}"


class Layout:
    """`said` collects (function, arguments) of every call in it and in what is inside it.

    wide : it is not a sidebar's, so texts may have any length
    """

    def __init__(self, said: list | None = None, wide: bool = False, split: bool = False):
        object.__setattr__(self, "said", [] if said is None else said)
        object.__setattr__(self, "_set", {"use_property_split": split})
        object.__setattr__(self, "_wide", wide)

    def __setattr__(self, name, value):
        assert name in LAYOUT.properties, f"a layout has no {name}"
        self._set[name] = value

    def __getattr__(self, name):
        if name in LAYOUT.properties:
            return self._set.get(name)
        assert name in LAYOUT.functions, f"this Blender's layout has no {name}()"
        return lambda *given, **named: self._call(LAYOUT.functions[name], given, named)

    def _inside(self) -> Layout:
        return Layout(self.said, self._wide, self._set["use_property_split"])

    def _call(self, function, given, named):
        arguments = _arguments(function, given, named)
        self.said.append((function.identifier, arguments))
        if not self._wide:
            _check_texts(function.identifier, arguments, self._set["use_property_split"])
        if "property" in arguments:
            properties = arguments["data"].bl_rna.properties
            assert arguments["property"] in properties, f"{arguments['data']} has no {arguments['property']}"
        if "operator" in arguments:
            return OperatorProperties(arguments["operator"])
        if function.identifier in ("panel", "panel_prop"):
            return self._inside(), self._inside()
        return self._inside() if function.identifier in INSIDE else None


def draw(panel: type, context: bpy.types.Context) -> list[tuple[str, dict]]:
    """Draw a panel and return what it put down. AssertionError or KeyError when Blender would not have it."""
    layout = Layout()
    host = SimpleNamespace(layout=layout, prepare=lambda: panel.prepare(host))
    if hasattr(panel, "draw_header"):
        panel.draw_header(host, context)
    panel.draw(host, context)
    return layout.said


def labels(said: list[tuple[str, dict]]) -> str:
    """All texts that were put down, one a line."""
    return "\n".join(arguments["text"] for _, arguments in said if arguments.get("text"))


def _arguments(function, given, named) -> dict:
    known = {p.identifier: p for p in function.parameters if not p.is_output}
    required = [name for name, p in known.items() if p.is_required]
    assert len(given) <= len(required), f"{function.identifier} takes {required} by place, and {given} were given"
    arguments = dict(zip(required, given, strict=False)) | named
    assert set(required) <= arguments.keys() <= known.keys(), f"{function.identifier} of {arguments}"
    for name, value in arguments.items():
        kind = known[name].type
        if kind == "ENUM" and isinstance(value, str) and len(known[name].enum_items):
            assert value in known[name].enum_items, f"{function.identifier}: {name} cannot be {value!r}"
        if kind in ("STRING", "INT", "FLOAT", "BOOLEAN"):
            wanted = {"STRING": str, "INT": int, "FLOAT": (int, float), "BOOLEAN": bool}[kind]
            assert isinstance(value, wanted), f"{function.identifier}: {name} cannot be {value!r}"
    return arguments


def _check_texts(function: str, arguments: dict, split: bool) -> None:
    text = arguments.get("text")
    if text is None and "property" in arguments:
        text = arguments["data"].bl_rna.properties[arguments["property"]].name
    room = LABEL if "property" not in arguments else BESIDE if split else WITHIN
    assert text is None or len(text) <= room, f"{function}: {text!r} is wider than the sidebar"
