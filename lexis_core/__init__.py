"""LEXIS: body, object and InterFields from one image. No bpy here, and no torch outside learn/."""

__version__ = "0.1.0"
