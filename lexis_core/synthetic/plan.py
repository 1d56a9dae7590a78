"""What an action asks of body and object: the words in which actions.py is written.

Directions and fractions are in the person's frame: x to the left, y up, z ahead. A place on the object is given by its
parts, the way it faces, and where it lies within the box around those parts (fractions from low to high).
"""

from __future__ import annotations

from dataclasses import dataclass

Vector = tuple[float, float, float]
UP, DOWN, LEFT, RIGHT = (0, 1, 0), (0, -1, 0), (1, 0, 0), (-1, 0, 0)
NEAR, FAR = (0, 0, -1), (0, 0, 1)  # the object's side that faces the person, and the other one
ALL = ("*",)


@dataclass(frozen=True)
class Touch:
    """One region of the body on one kind of place of the object.

    kind   : "flat" lays the region on the surface, "grip" closes a hand on a handle, "reach" stays a little off it
    facing : which way the surface looks; for grips, unused
    level  : how much it must look that way, the least cosine
    slide  : metres the region may stray from the place along the surface
    aim    : how much the region must face the surface, 0..1
    signed : of a grip: the thumb points towards the object's top
    chance : how often this touch is asked for
    """

    region: str
    parts: tuple[str, ...] = ALL
    kind: str = "flat"
    facing: Vector = UP
    low: Vector = (0, 0, 0)
    high: Vector = (1, 1, 1)
    slide: float = 0.03
    aim: float = 1.0
    signed: bool = False
    chance: float = 1.0
    level: float = 0.75


@dataclass(frozen=True)
class Plan:
    """How one action is done with one category.

    legs, arms : key poses to draw from; "cmu:TAG" stands for motion capture, where at hand, with key poses otherwise
    lean, bend : degrees, ranges of leaning forward and of bending the spine
    base       : "floor" the object rests on the floor, "held" it goes where the hands are
    yaw        : degrees, headings of the object relative to the person's, to draw from; turn : degrees of jitter
    along      : a held tool lies along the gripping hand, not upright
    feet       : the feet stand on the floor; else they hang, or touch what the touches say
    raised     : metres, range of the object's height above the floor ("floor" only)
    reach      : metres, the lowest height above the floor of the places to touch, for hands that push
    lay        : "up" or "down" for bodies laid flat on their back or front
    upright    : how much a held object stays upright
    twist      : degrees, range of turning the chest to the left
    mirror     : left and right may change places; not on a bicycle, whose pedals stand as they do
    """

    legs: tuple[str, ...]
    arms: tuple[str, ...]
    touches: tuple[Touch, ...] = ()
    lean: tuple[float, float] = (-2, 4)
    bend: tuple[float, float] = (-4, 8)
    base: str = "floor"
    yaw: tuple[float, ...] = (0,)
    turn: float = 8.0
    along: bool = False
    feet: bool = True
    raised: tuple[float, float] = (0.0, 0.0)
    reach: float = 0.0
    lay: str = ""
    upright: float = 1.0
    twist: tuple[float, float] = (-5, 5)
    mirror: bool = True
