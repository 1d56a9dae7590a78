"""Object meshes: loading, cleaning, canonical frames, and a parametric library."""
