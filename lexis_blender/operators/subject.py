"""The object's parameters: what the library's things can be made of."""

from __future__ import annotations

from bpy.types import Operator

WORDS = {True: "yes", False: "no"}


class LEXIS_OT_object_parameters(Operator):
    """List what can be set about this thing; without, it is a typical one and its size counts as a guess"""

    bl_idname = "lexis.object_parameters"
    bl_label = "Set Parameters"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context):
        from lexis_core.objects.library import CATEGORIES
        from lexis_core.objects.library.category import Choice

        settings = context.scene.lexis
        settings.object_parameters.clear()
        for name, parameter in CATEGORIES[settings.object_name].parameters.items():
            item = settings.object_parameters.add()
            item.name = name
            if isinstance(parameter, Choice):
                words = [WORDS.get(option, option) for option in parameter.options]
                item.words, item.word = ",".join(words), words[0]
            else:
                item.low, item.high, item.value = parameter.low, parameter.high, parameter.default
                item.whole = isinstance(parameter.default, int)
        return {"FINISHED"}


class LEXIS_OT_clear_parameters(Operator):
    """Take a typical thing"""

    bl_idname = "lexis.clear_parameters"
    bl_label = "Take a Typical One"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context):
        context.scene.lexis.object_parameters.clear()
        return {"FINISHED"}


CLASSES = (LEXIS_OT_object_parameters, LEXIS_OT_clear_parameters)
