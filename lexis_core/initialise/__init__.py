"""First estimates: the body from landmarks, the object from its mask, or both from another tool's files."""
