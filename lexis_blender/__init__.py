"""LEXIS for Blender: reconstructions as editable scenes. Importing this package does not import bpy; its modules do."""
