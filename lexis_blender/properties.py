"""What a scene remembers of the LEXIS tab: bpy.types.Scene.lexis, saved in the .blend."""

from __future__ import annotations

from functools import cache

import bpy
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    EnumProperty,
    FloatProperty,
    FloatVectorProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)
from bpy.types import PropertyGroup

from . import snapshot, view
from .compat import FILE

# The object library's names. Not read from it: that takes half a second, and a panel lists them (a test compares).
LIBRARY = (
    "armchair", "backpack", "bag", "ball", "barbell", "baseball_bat", "basket", "bed", "bench", "bicycle", "book",
    "bottle", "box", "broom", "chair", "cup", "desk", "dumbbell", "frisbee", "guitar", "hammer", "horse", "hula_hoop",
    "keyboard", "kick_scooter", "ladder", "laptop", "microphone", "monitor", "motorcycle", "phone", "plant",
    "shopping_cart", "skateboard", "snowboard", "sofa", "stool", "suitcase", "surfboard", "table", "tennis_racket",
    "toolbox", "trash_bin", "tripod", "umbrella", "yoga_ball", "yoga_mat",
)

MASK_SOURCES = (
    ("NONE", "Automatic", "Found in the photo, or placed by what kind of thing it is"),
    ("FILE", "File", "An image file of the photo's size, white inside"),
    ("IMAGE", "Image", "An image of the photo's size in this .blend, painted white inside"),
    ("BOX", "Box", "A box drawn on the photo"),
)
DEVICES = (
    ("auto", "Automatic", "CUDA where it works, else the CPU"),
    ("cpu", "CPU", "The processor"),
    ("cuda", "CUDA", "An NVIDIA graphics card; needs a worker Python that has onnxruntime-gpu"),
    ("coreml", "CoreML", "Apple's accelerators, on macOS"),
)
FIELDS = (
    ("interfield", "InterField", "1 touches the other surface, 0 is far"),
    ("distance", "Distance", "Metres to the other surface"),
    ("contact", "Contact", "Nearer than the threshold"),
    ("predicted", "Predicted", "The InterField as LEXIS-Net predicts it"),
    ("painted", "Painted", "The InterField as painted"),
)
SURFACES = (("BODY", "Body", "The body"), ("OBJECT", "Object", "The object"))
# preset: number, text, what it does, and the settings it stands for
PRESETS = {
    "FAST": (0, "Fast", "A first look", {"method": "AUTO", "steps": 10, "hypotheses": 1}),
    "BALANCED": (1, "Balanced", "What suits most photos", {"method": "AUTO", "steps": 25, "hypotheses": 1}),
    "BEST": (2, "Best", "Several hypotheses to choose from", {"method": "AUTO", "steps": 50, "hypotheses": 4}),
}
CUSTOM = 3


@cache  # Blender does not keep the texts of dynamic items alive
def _items(words: str) -> list[tuple[str, str, str]]:
    return [(word, word.title(), "") for word in words.split(",")] if words else [("none", "None", "")]


def _words(parameter: LexisParameter, _context: bpy.types.Context) -> list[tuple[str, str, str]]:
    return _items(parameter.words)


def _other_thing(settings: LexisScene, _context: bpy.types.Context) -> None:
    settings.object_parameters.clear()


def _is_mesh(_, item: bpy.types.Object) -> bool:
    return item.type == "MESH"


def _keep_within(parameter: LexisParameter, _context: bpy.types.Context) -> None:
    value = min(max(parameter.value, parameter.low), parameter.high)
    if value != parameter.value:
        parameter.value = value


def _preset(settings: LexisScene) -> int:
    for number, _, _, values in PRESETS.values():
        if all(getattr(settings, name) == value for name, value in values.items()):
            return number
    return CUSTOM


def _apply_preset(settings: LexisScene, chosen: int) -> None:
    for number, _, _, values in PRESETS.values():
        if number == chosen:
            for name, value in values.items():
                setattr(settings, name, value)


# These two are the active import's own, and the scene's settings only show them. (No lambdas: Blender evaluates the
# annotations elsewhere.)
def _threshold(_: LexisScene) -> float:
    made = snapshot.active_import(bpy.context)
    return view.USUAL_THRESHOLD if made is None else view.threshold(made)


def _set_threshold(_: LexisScene, metres: float) -> None:
    if (made := snapshot.active_import(bpy.context)) is not None:
        view.set_threshold(bpy.context, made, metres)


def _opacity(_: LexisScene) -> float:
    made = snapshot.active_import(bpy.context)
    return view.USUAL_OPACITY if made is None else view.opacity(made)


def _set_opacity(_: LexisScene, share: float) -> None:
    if (made := snapshot.active_import(bpy.context)) is not None:
        view.set_opacity(made, share)


class LexisParameter(PropertyGroup):
    """One parameter of an object of the library: a number, or one of a few words."""

    value: FloatProperty(name="Value", description="Metres, degrees or a count", update=_keep_within)
    word: EnumProperty(name="Kind", description="Which of its kinds", items=_words)
    low: FloatProperty(name="Least")
    high: FloatProperty(name="Most")
    whole: BoolProperty(name="Whole")
    words: StringProperty(name="Words", description="What there is to choose from, separated by commas")


class LexisScene(PropertyGroup):
    """The settings of the LEXIS tab."""

    image_source: EnumProperty(
        name="Photo", description="Where the photo is",
        items=(("FILE", "File", "A photo on disk"), ("IMAGE", "Image", "An image in this .blend")))
    image_path: StringProperty(name="File", description="The photo: JPEG, PNG, WebP or TIFF", **FILE)
    image: PointerProperty(name="Image", description="The photo", type=bpy.types.Image)
    focal: FloatProperty(name="Focal Length", description="In pixels; 0 takes it from the photo", min=0.0,
                         soft_max=20000.0, precision=0)

    person_source: EnumProperty(name="Person", description="Where the person is in the photo", items=MASK_SOURCES)
    person_mask_path: StringProperty(name="Mask", description="White where the person is", **FILE)
    person_mask_image: PointerProperty(name="Mask", description="White where the person is", type=bpy.types.Image)
    person_box: FloatVectorProperty(name="Box", description="Left, top, right, bottom in pixels of the photo", size=4,
                                    min=0.0, precision=0)
    object_source: EnumProperty(name="Object", description="Where the object is in the photo", items=MASK_SOURCES)
    object_mask_path: StringProperty(name="Mask", description="White where the object is", **FILE)
    object_mask_image: PointerProperty(name="Mask", description="White where the object is", type=bpy.types.Image)
    object_box: FloatVectorProperty(name="Box", description="Left, top, right, bottom in pixels of the photo", size=4,
                                    min=0.0, precision=0)

    object_kind: EnumProperty(
        name="Object", description="Where the object's shape comes from",
        items=(("ACTIVE", "Scene", "A mesh of this scene"), ("FILE", "File", "A mesh file"),
               ("LIBRARY", "Library", "A thing of the object library")))
    object_mesh: PointerProperty(name="Mesh", description="The object; empty takes the active mesh",
                                 type=bpy.types.Object, poll=_is_mesh)
    object_path: StringProperty(name="File", description="OBJ, PLY, STL or glTF", **FILE)
    object_units: EnumProperty(
        name="Units", description="The unit of the file's numbers",
        items=(("AUTO", "Guess", "By its size"), ("m", "Metres", ""), ("cm", "Centimetres", ""),
               ("mm", "Millimetres", ""), ("in", "Inches", ""), ("ft", "Feet", "")))
    object_up: EnumProperty(name="Up", description="The axis of the file that points up",
                            items=(("y", "Y", ""), ("z", "Z", "")))
    object_name: EnumProperty(
        name="Thing", description="From the object library", default="chair", update=_other_thing,
        items=[(name, name.replace("_", " ").title(), "") for name in LIBRARY])
    object_parameters: CollectionProperty(name="Parameters", type=LexisParameter)
    object_size: FloatProperty(name="Size", description="The longest side of the object; 0 keeps it as it is", min=0.0,
                               soft_max=5.0, unit="LENGTH", precision=3)

    preset: EnumProperty(
        name="Preset", description="How much work is done",
        items=[*((key, text, does, number) for key, (number, text, does, _) in PRESETS.items()),
               ("CUSTOM", "Custom", "Other settings under Advanced", CUSTOM)],
        get=_preset, set=_apply_preset)
    method: EnumProperty(
        name="Method", description="How body and object are found",
        items=(("AUTO", "Automatic", "What suits most photos: LEXIS-Flow from the estimate"),
               ("LEARNED", "Refined", "LEXIS-Flow from the estimate"),
               ("NOISE", "From Noise", "LEXIS-Flow without the estimate"),
               ("ESTIMATE", "Estimate", "Landmarks and outlines alone")))
    device: EnumProperty(name="Device", description="What the networks run on",
                         items=(("preferences", "Preferences", "As the add-on's preferences say"), *DEVICES))
    steps: IntProperty(name="Steps", description="Of LEXIS-Flow", default=25, min=2, max=200, soft_max=50)
    hypotheses: IntProperty(name="Hypotheses", description="How many solutions to look for", default=1, min=1, max=16)
    seed: IntProperty(name="Seed", description="Another one gives other hypotheses", default=0, min=0)
    weight_field: FloatProperty(name="InterField", description="Weight of the nearness of the surfaces; 1 is usual",
                                default=1.0, min=0.0, soft_max=4.0)
    weight_mask: FloatProperty(name="Outline", description="Weight of the outlines in the photo; 1 is usual",
                               default=1.0, min=0.0, soft_max=4.0)
    weight_landmarks: FloatProperty(name="Landmarks", description="Weight of the body's landmarks; 1 is usual",
                                    default=1.0, min=0.0, soft_max=4.0)
    weight_inside: FloatProperty(name="Penetration", description="Weight of staying out of each other; 1 is usual",
                                 default=1.0, min=0.0, soft_max=4.0)

    contact_threshold: FloatProperty(
        name="Contact", description="Nearer than this is contact", default=0.05, min=0.001, max=0.5, unit="LENGTH",
        precision=3, get=_threshold, set=_set_threshold)
    overlay_opacity: FloatProperty(
        name="Photo", description="Opacity of the photo in the camera's view", default=0.5, min=0.0, max=1.0,
        subtype="FACTOR", get=_opacity, set=_set_opacity)
    pin_body: BoolProperty(name="Body", description="The body stays where it is")
    pin_object: BoolProperty(name="Object", description="The object stays where it is")
    paint_surface: EnumProperty(name="Surface", description="What to paint on", items=SURFACES)


CLASSES = (LexisParameter, LexisScene)


def register() -> None:
    bpy.types.Scene.lexis = PointerProperty(type=LexisScene)


def unregister() -> None:
    del bpy.types.Scene.lexis
