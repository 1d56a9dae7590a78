"""LEXIS for Blender: reconstructions as editable scenes. Importing this package does not import bpy; its modules do."""


def register() -> None:
    """Called by Blender when the add-on is switched on."""
    from . import registration

    registration.register()


def unregister() -> None:
    """Called by Blender when the add-on is switched off."""
    from . import registration

    registration.unregister()
