"""The parametric body: files, the open default, and linear blend skinning."""
