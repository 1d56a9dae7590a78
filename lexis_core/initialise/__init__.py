"""First estimates: the body from landmarks, the object from its mask, or both from another tool's files."""

from lexis_core.initialise.body import body_from_landmarks
from lexis_core.initialise.estimates import Estimate, read_estimate
from lexis_core.initialise.object import ObjectEstimate, object_from_mask
from lexis_core.initialise.place import object_by_category

__all__ = ["Estimate", "ObjectEstimate", "body_from_landmarks", "object_by_category", "object_from_mask",
           "read_estimate"]
