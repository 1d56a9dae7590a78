"""The LEXIS tab of the 3D View's sidebar: panels that only read, in the order of work."""
