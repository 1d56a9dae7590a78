"""LEXIS for Blender: reconstructions as editable scenes. Importing this package does not import bpy; its modules do."""

import sys


def register() -> None:
    """Called by Blender when the add-on is switched on."""
    from . import registration

    registration.register()


def unregister() -> None:
    """Called by Blender when the add-on is switched off."""
    from . import registration

    registration.unregister()
    if __package__.startswith("bl_ext."):
        _forget_modules()


def _forget_modules() -> None:
    """Let go of the extension's modules and of lexis_core's, so that an update is not run with parts of the old one."""
    for name in [n for n in sys.modules if n == "lexis_core" or n.startswith(("lexis_core.", f"{__package__}."))]:
        del sys.modules[name]
        parent, _, last = name.rpartition(".")
        if parent in sys.modules:
            vars(sys.modules[parent]).pop(last, None)
