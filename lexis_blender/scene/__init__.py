"""The adapters between lexis_core's values and Blender's data-blocks; no estimation happens here."""
