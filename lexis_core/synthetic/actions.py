"""What people do with things: for each action and category, the posture to start from and what touches what."""

from __future__ import annotations

from dataclasses import replace

from lexis_core.objects.library import CATEGORIES
from lexis_core.synthetic.plan import ALL, DOWN, FAR, NEAR, RIGHT, UP, Plan, Touch
from lexis_core.synthetic.states import ACTION_NAMES

STANDING = ("stand", "contrapposto", "half step", "wide", "step", "cmu:walk", "cmu:stand")
STEADY = ("stand", "contrapposto", "wide", "half step")
AROUND = (0, 90, 180, 270)
LEVEL = 0.95  # what a foot stands on is that level
TABLE_TOP = (0.70, 0.78)  # metres above the floor: laptops and keyboards lie on a table that is not there


def _pair(touch: Touch) -> tuple[Touch, Touch]:
    """The touch of the right side, and the same of the left."""
    flip = tuple(-v if k == 0 else v for k, v in enumerate(touch.facing))
    left = replace(touch, region=touch.region.replace("right", "left"), facing=flip,
                   low=(1 - touch.high[0], *touch.low[1:]), high=(1 - touch.low[0], *touch.high[1:]))
    return touch, left


def _sides(parts=ALL, low=0.15, high=0.65) -> tuple[Touch, ...]:
    """Both palms on the two sides, as far ahead or back as it comes."""
    return _pair(Touch("right_palm", parts, facing=RIGHT, low=(0, low, 0.1), high=(1, high, 0.9), slide=0.05))


def _round(parts, low=0.2) -> tuple[Touch, ...]:
    """Both palms on the wall of a round thing, up to its rim, from its front quarters to its rear ones."""
    return _pair(Touch("right_palm", parts, facing=RIGHT, low=(0, low, 0), slide=0.05, level=0.2))


def _under(parts=ALL) -> tuple[Touch, ...]:
    """Both palms below."""
    return _pair(Touch("right_palm", parts, facing=DOWN, low=(0.05, 0, 0.2), high=(0.4, 1, 0.8), slide=0.04))


def _grip(*parts: str, hand="right", low=(0, 0, 0), high=(1, 1, 1), signed=False) -> Touch:
    return Touch(f"{hand}_palm", parts, "grip", low=low, high=high, signed=signed, slide=0.01)


def _seat(*parts: str, low=(0.3, 0, 0.3), high=(0.7, 1, 0.6), slide=0.05) -> Touch:
    return Touch("seat", parts, facing=UP, low=low, high=high, slide=slide, aim=0.0)


def _soles(*parts: str, low, high, region="sole", slide=0.02) -> tuple[Touch, ...]:
    return _pair(Touch(f"right_{region}", parts, facing=UP, low=low, high=high, slide=slide, level=LEVEL))


_SIT = Plan(("sit", "sit open", "sit tucked", "sit long"), ("on knees", "loose", "front low", "front", "on belly"),
            lean=(-14, 6), bend=(0, 18))
_STAND = Plan(("surf", "surf low", "surf"), ("out", "loose", "swinging", "front low"), lean=(0, 12), feet=False)
_LIE = Plan(("flat", "flat bent"), ("along", "on belly", "down", "loose"), lay="up", feet=False, turn=4)
_CARRY = Plan(STANDING, ("front", "front high", "front low"), base="held", yaw=AROUND)
_OVER = Plan(STEADY, ("overhead", "overhead bent"), base="held", yaw=AROUND, bend=(-10, 2))
_SIDE = Plan(STANDING, ("at the side",), base="held", yaw=(90, 270), turn=4)
_LIFT = Plan(("half squat", "squat"), ("front low", "down ahead"), lean=(20, 40), bend=(10, 35), base="held",
             yaw=AROUND, raised=(0.0, 0.35))
_ONE = Plan(STANDING, ("one up", "one high"), base="held", yaw=AROUND, turn=45)
_TOOL = replace(_ONE, arms=("one up", "one high", "at the side", "one ahead"), along=True)
_TWO = Plan(STANDING, ("front", "front high"), base="held", turn=5)
_PUSH = Plan(("step", "half step", "lunge"), ("ahead bent", "ahead"), lean=(2, 12))
_SHOVE = replace(_PUSH, legs=("lunge", "step"), arms=("down ahead", "ahead bent", "ahead"), lean=(15, 32), yaw=AROUND,
                 bend=(0, 20))
_LEAN = Plan(STEADY, ("down ahead", "ahead bent"), lean=(8, 28), bend=(5, 25), yaw=AROUND)
_REACH = Plan(STEADY, ("one below", "one ahead"), lean=(5, 35), bend=(5, 35), yaw=AROUND, turn=45)
_KICK = Plan(("kick",), ("out", "loose", "swinging"), lean=(-12, 0), yaw=AROUND, turn=45)
_TABLE = Plan(STEADY, ("ahead bent", "front", "down ahead"), lean=(5, 20), bend=(5, 20), yaw=AROUND)
_WALK = Plan(("step", "half step", "cmu:walk", "cmu:walk", "cmu:run", "stand", "contrapposto"), ("swinging", "loose",
             "down", "cmu"), yaw=AROUND, turn=45)

_BACK = Touch("upper_back", ("back",), facing=FAR, low=(0.2, 0.3, 0), high=(0.8, 0.95, 1), slide=1.0, aim=0.3,
              chance=0.5)
_BOARD = {"low": (0.2, 0.3, 0.2), "high": (0.8, 1, 0.8)}
_TOP = _pair(Touch("right_palm", ("top",), low=(0.1, 0, 0.05), high=(0.48, 1, 0.4), slide=0.06))
_HANG = {"low": (0, 0.5, 0.2), "high": (1, 1, 0.8)}

PLANS: dict[str, dict[str, Plan]] = {
    "sit on": {
        "chair": replace(_SIT, touches=(_seat("seat"), _BACK)),
        **{name: replace(_SIT, touches=(_seat("seat", low=(0.3, 0.7, 0.5), high=(0.7, 1, 0.75)), _BACK))
           for name in ("armchair", "sofa")},
        "bench": replace(_SIT, touches=(_seat("seat", low=(0.15, 0, 0.35), high=(0.85, 1, 0.7)),)),
        "stool": replace(_SIT, legs=("sit", "perch", "sit open"), touches=(_seat("seat"),), yaw=AROUND, turn=45),
        "yoga_ball": replace(_SIT, legs=("sit open", "sit"), yaw=AROUND, turn=45,
                             touches=(_seat("body", low=(0.35, 0.9, 0.35), high=(0.65, 1, 0.65)),)),
        "bed": replace(_SIT, yaw=(90, 270), touches=(_seat("mattress", low=(0.35, 0.8, 0.8), high=(0.65, 1, 0.9)),)),
        "table": replace(_SIT, legs=("perch", "sit"), yaw=(0, 180),
                         touches=(_seat("top", low=(0.3, 0.8, 0.75), high=(0.7, 1, 0.9)),)),
    },
    "stand on": {
        "skateboard": replace(_STAND, yaw=(90, 270), touches=_soles("deck", low=(0.15, 0, 0.3), high=(0.3, 1, 0.7))),
        "surfboard": replace(_STAND, yaw=(90, 270), touches=_soles("deck", low=(0.3, 0, 0.35), high=(0.45, 1, 0.65))),
        **{name: replace(_STAND, legs=("stand", "wide", "contrapposto"), arms=("loose", "down", "one above", "out"),
                         yaw=AROUND, lean=(-2, 4), touches=_soles(part, low=(0.2, 0.6, 0.3), high=(0.48, 1, 0.7)))
           for name, part in (("table", "top"), ("bench", "seat"), ("bed", "mattress"), ("desk", "top"))},
        "stool": replace(_STAND, legs=("stand",), arms=("loose", "down", "one above"), yaw=AROUND, lean=(-2, 4),
                         touches=_soles("seat", low=(0.25, 0.6, 0.35), high=(0.4, 1, 0.65))),
    },
    "lie on": {
        "bed": replace(_LIE, yaw=(0,), touches=(
            Touch("seat", ("mattress",), low=(0.3, 0.8, 0.48), high=(0.7, 1, 0.62), aim=0.0),
            Touch("upper_back", ("mattress",), low=(0, 0.8, 0.1), high=(1, 1, 0.5), slide=0.4, aim=0.5))),
        "sofa": replace(_LIE, legs=("flat both", "flat bent"), yaw=(90, 270), touches=(
            Touch("seat", ("seat",), low=(0.4, 0.8, 0.4), high=(0.6, 1, 0.6), aim=0.0),
            Touch("upper_back", ("seat",), low=(0, 0.8, 0), high=(1, 1, 1), slide=0.4, aim=0.5))),
        "surfboard": replace(_LIE, lay="down", arms=("along", "down", "bent ahead"), legs=("flat",), yaw=(0,), touches=(
            Touch("belly", ("deck",), low=(0.3, 0, 0.35), high=(0.7, 1, 0.5), aim=0.0),
            Touch("chest", ("deck",), slide=0.4, aim=0.3))),
    },
    "ride": {
        "bicycle": Plan(("pedal",), ("ahead",), lean=(25, 38), bend=(5, 20), feet=False, turn=1, mirror=False,
                        touches=(
            Touch("saddle", ("saddle",), low=(0.3, 0.5, 0.1), high=(0.7, 1, 0.5), slide=0.02, aim=0.0),
            *_pair(_grip("grip", high=(0.4, 1, 1))),
            Touch("right_ball", ("pedal",), low=(0, 0, 0), high=(0.45, 1, 1), slide=0.02, aim=0.7,
                  level=LEVEL),
            Touch("left_ball", ("pedal",), low=(0.55, 0, 0), high=(1, 1, 1), slide=0.02, aim=0.7, level=LEVEL))),
        "motorcycle": Plan(("straddle",), ("ahead",), lean=(5, 20), bend=(5, 20), feet=False, turn=1, touches=(
            _seat("seat", low=(0.35, 0.3, 0.35), high=(0.65, 1, 0.65)), *_pair(_grip("grip", high=(0.4, 1, 1))),
            *_pair(Touch("right_ball", ("footpeg",), low=(0, 0, 0), high=(0.07, 1, 1), slide=0.03, aim=1.0,
                         level=LEVEL)))),
        "horse": Plan(("rider",), ("front", "front low", "ahead bent"), lean=(-4, 8), feet=False, turn=2, touches=(
            _seat("seat", "body", low=(0.4, 0.8, 0.4), high=(0.6, 1, 0.6), slide=0.08),)),
        "kick_scooter": Plan(("scoot", "half step"), ("ahead bent",), lean=(0, 8), turn=1, touches=(
            *_pair(_grip("grip", high=(0.4, 1, 1))),
            Touch("left_sole", ("deck",), low=(0.1, 0.5, 0.25), high=(0.9, 1, 0.75), slide=0.05, level=LEVEL))),
        "skateboard": replace(_STAND, legs=("surf low",), yaw=(90, 270),
                              touches=_soles("deck", low=(0.15, 0, 0.3), high=(0.3, 1, 0.7))),
    },
    "carry in front": {
        **{name: replace(_CARRY, touches=_sides()) for name in
           ("box", "monitor", "suitcase", "toolbox", "backpack", "trash_bin")},
        "yoga_ball": replace(_CARRY, touches=_sides(low=0.3)),
        "plant": replace(_CARRY, touches=_sides(("pot",), 0.2, 0.8)),
        "basket": replace(_CARRY, touches=_round(("body", "rim"))),
        "yoga_mat": replace(_CARRY, yaw=(0,), touches=_sides(("mat",))),
        "laptop": replace(_CARRY, touches=_under(("base",))),
    },
    "carry overhead": {
        **{name: replace(_OVER, touches=_sides()) for name in ("box", "yoga_ball", "suitcase", "ball", "backpack")},
        "basket": replace(_OVER, touches=_round(("body", "rim"))),
        "barbell": replace(_OVER, yaw=(0,), touches=_pair(_grip("bar", low=(0.2, 0, 0), high=(0.35, 1, 1)))),
    },
    "carry at the side": {
        "suitcase": replace(_SIDE, yaw=(0, 180), touches=(_grip("grip"),)),
        "bag": replace(_SIDE, touches=(_grip("handle", **_HANG),)),
        "toolbox": replace(_SIDE, touches=(_grip("handle", low=(0, 0, 0.3), high=(1, 1, 0.7)),)),
        "dumbbell": replace(_SIDE, touches=(_grip("grip"),)), "barbell": replace(_SIDE, touches=(_grip(
            "bar", low=(0, 0, 0.44), high=(1, 1, 0.56)),)),
        "ladder": replace(_SIDE, yaw=(90,), touches=(_grip("rail", "rung"),)),
        "broom": replace(_SIDE, along=True, touches=(_grip("stick", low=(0, 0.35, 0), high=(1, 0.65, 1)),)),
    },
    "lift": {
        **{name: replace(_LIFT, touches=_sides(low=0.1, high=0.5)) for name in
           ("box", "suitcase", "trash_bin", "yoga_ball", "backpack", "monitor")},
        "plant": replace(_LIFT, touches=_sides(("pot",), 0.2, 0.8)),
        "basket": replace(_LIFT, touches=_round(("body", "rim"), 0.3)),
        "barbell": replace(_LIFT, yaw=(0,), touches=_pair(_grip("bar", low=(0.2, 0, 0), high=(0.4, 1, 1)))),
    },
    "hold in one hand": {
        "bottle": replace(_ONE, touches=(_grip("body", signed=True),)),
        "cup": replace(_ONE, touches=(_grip("body", signed=True),)),
        "microphone": replace(_ONE, arms=("one up", "one ahead", "one below"), base="floor", touches=(
            _grip("stand", low=(0, 0.35, 0)),)),
        "umbrella": replace(_TOOL, arms=("one up", "one high"), touches=(_grip("shaft", "handle", high=(1, 0.45, 1),
                                                                                signed=True),)),
        "hammer": replace(_TOOL, touches=(_grip("handle", high=(1, 0.5, 1), signed=True),)),
        "tennis_racket": replace(_TOOL, touches=(_grip("handle", signed=True),)),
        "baseball_bat": replace(_TOOL, touches=(_grip("body", low=(0, 0.08, 0), high=(1, 0.25, 1), signed=True),)),
        "dumbbell": replace(_TOOL, touches=(_grip("grip"),)),
        "broom": replace(_ONE, arms=("one up", "one ahead", "one below"), base="floor", touches=(
            _grip("stick", low=(0, 0.5, 0), high=(1, 0.9, 1), signed=True),)),
        "ball": replace(_ONE, arms=("one up",), touches=(Touch("right_palm", facing=DOWN, slide=0.05),)),
        "book": replace(_ONE, arms=("one up",), touches=(Touch("right_palm", ("cover",), facing=DOWN, low=(0.2, 0, 0.2),
                                                                high=(0.8, 1, 0.8)),)),
        "phone": replace(_ONE, arms=("one high", "one up"), yaw=(180,), turn=20, upright=0.2, touches=(
            Touch("right_palm", ("body",), facing=FAR, low=(0.3, 0.3, 0), high=(0.7, 0.7, 1), slide=0.02),)),
    },
    "hold in two hands": {
        "ball": replace(_TWO, yaw=AROUND, touches=_sides(low=0.35, high=0.65)),
        "frisbee": replace(_TWO, yaw=AROUND, touches=_sides(low=0, high=1)),
        "book": replace(_TWO, yaw=(180,), touches=_under(("cover",))),
        "keyboard": replace(_TWO, yaw=(180,), touches=_under(("body",))),
        "barbell": replace(_TWO, arms=("front low", "down ahead"), touches=_pair(
            _grip("bar", low=(0.2, 0, 0), high=(0.4, 1, 1)))),
        "baseball_bat": replace(_TWO, along=True, touches=(
            _grip("body", low=(0, 0.16, 0), high=(1, 0.24, 1), signed=True),
            _grip("body", hand="left", low=(0, 0.03, 0), high=(1, 0.09, 1), signed=True))),
        "broom": replace(_TWO, arms=("front", "front low"), base="floor", touches=(
            _grip("stick", low=(0, 0.75, 0), high=(1, 0.9, 1), signed=True),
            _grip("stick", hand="left", low=(0, 0.35, 0), high=(1, 0.55, 1), signed=True))),
        "shopping_cart": replace(_PUSH, legs=STEADY, lean=(-2, 4), touches=_pair(
            _grip("handle", low=(0.1, 0.7, 0), high=(0.4, 1, 0.5)))),
    },
    "push": {
        "shopping_cart": replace(_PUSH, touches=_pair(_grip("handle", low=(0.1, 0.7, 0), high=(0.4, 1, 0.5)))),
        "kick_scooter": replace(_PUSH, touches=_pair(_grip("grip", high=(0.4, 1, 1)))),
        "trash_bin": replace(_SHOVE, reach=0.42, touches=_pair(Touch("right_palm", facing=NEAR, low=(0.1, 0.5, 0),
                                                                     high=(0.45, 1, 1), slide=0.06))),
        **{name: replace(_SHOVE, touches=_pair(Touch("right_palm", ("top",), facing=NEAR, low=(0.2, 0, 0),
                                                      high=(0.45, 1, 1), slide=0.06))) for name in ("table", "desk")},
    },
    "pull": {
        "suitcase": replace(_CARRY, base="floor", arms=("one behind",), yaw=(0, 180), touches=(
            _grip("handle", low=(0.2, 0.9, 0), high=(0.8, 1, 1)),)),
        "shopping_cart": replace(_PUSH, legs=("wide", "half step", "stand"), lean=(-14, -4), touches=_pair(
            _grip("handle", low=(0.1, 0.7, 0), high=(0.4, 1, 0.5)))),
        "kick_scooter": replace(_PUSH, legs=("wide", "half step"), lean=(-8, -2), touches=_pair(
            _grip("grip", high=(0.4, 1, 1)))),
        "ladder": replace(_PUSH, legs=("wide", "lunge"), arms=("ahead", "ahead bent"), lean=(-14, -4), yaw=(0, 180),
                          touches=_pair(_grip("rung", low=(0, 0.4, 0), high=(0.45, 0.6, 1)))),
    },
    "kick": {name: replace(_KICK, touches=(Touch("right_toes", facing=NEAR, low=(0.2, 0.1, 0), high=(0.8, 0.7, 1),
                                                  slide=0.08, aim=0.2),))
             for name in ("ball", "yoga_ball", "box", "trash_bin", "suitcase", "backpack")},
    "lean on": {
        **{name: replace(_LEAN, touches=_TOP) for name in ("table", "desk")},
        **{name: replace(_LEAN, yaw=(0,), lean=(4, 20), touches=_pair(Touch(
            "right_palm", ("back",), low=(0.2, 0.8, 0), high=(0.47, 1, 1), slide=0.05, aim=0.7)))
           for name in ("sofa", "armchair", "bench")},
        "yoga_ball": replace(_LEAN, legs=("half squat",), lean=(20, 35), touches=_pair(Touch(
            "right_palm", low=(0.2, 0.8, 0.3), high=(0.45, 1, 0.7), slide=0.05))),
    },
    "reach for": {name: replace(_REACH, legs=legs, lean=lean, touches=(Touch(
        "right_palm", facing=UP, kind="reach", low=(0, 0.7, 0), high=(1, 1, 1), aim=0.4),))
        for name, legs, lean in (
            *((name, ("half squat", "squat"), (25, 40)) for name in ("ball", "bag", "box", "bottle", "backpack",
                                                                   "basket", "toolbox", "skateboard", "cup")),
            *((name, STEADY, (5, 25)) for name in ("suitcase", "chair", "table", "desk", "bicycle", "shopping_cart",
                                                   "plant", "stool")))},
    "swing": {
        "baseball_bat": replace(_TWO, legs=("wide", "lunge", "cmu:swing"), arms=("swing back", "swing through"),
                                along=True, twist=(-30, 20), touches=(
            _grip("body", low=(0, 0.16, 0), high=(1, 0.24, 1), signed=True),
            _grip("body", hand="left", low=(0, 0.03, 0), high=(1, 0.09, 1), signed=True))),
        **{name: replace(_TOOL, legs=("wide", "half step", "lunge", "cmu:swing"), arms=("one drawn back", "one ahead"),
                         twist=(-30, 20), touches=(_grip("handle", high=(1, 0.5, 1), signed=True),))
           for name in ("tennis_racket", "hammer")},
        "broom": replace(_TWO, legs=("wide", "lunge"), arms=("swing through", "front low"), along=True, touches=(
            _grip("stick", low=(0, 0.75, 0), high=(1, 0.9, 1), signed=True),
            _grip("stick", hand="left", low=(0, 0.4, 0), high=(1, 0.55, 1), signed=True))),
    },
    "use at a table": {
        **{name: replace(_TABLE, touches=(replace(_TOP[0], region="right_hand"), replace(_TOP[1], region="left_hand")))
           for name in ("table", "desk")},
        **{name: replace(_TABLE, yaw=(180,), turn=6, raised=TABLE_TOP, touches=_pair(Touch(
            "right_hand", ("key",), low=(0.05, 0, 0.1), high=(0.42, 1, 0.9), slide=0.04, aim=0.6)))
           for name in ("laptop", "keyboard")},
    },
    "walk past": {name: _WALK for name in CATEGORIES},
}
assert tuple(PLANS) == ACTION_NAMES

# kinds of things no training sample shows
HELD_OUT = ("bag", "ball", "bench", "guitar", "suitcase")
