"""The colours of pictures and legends, sRGB in [0, 1]."""

from __future__ import annotations

# InterField value -> sRGB: far is a quiet grey-blue, near warms up, touching is red.
RAMP = ((0.0, (0.68, 0.73, 0.80)), (0.25, (0.44, 0.70, 0.78)), (0.5, (0.95, 0.81, 0.42)),
        (0.75, (0.94, 0.52, 0.22)), (1.0, (0.80, 0.10, 0.18)))
BODY_COLOUR = (0.55, 0.72, 0.92)
OBJECT_COLOUR = (0.95, 0.72, 0.40)
