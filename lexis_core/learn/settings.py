"""A script's settings on its command line: every field of a dataclass is an option with its default."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import MISSING, fields
from typing import TypeVar, get_type_hints

Settings = TypeVar("Settings")


def from_command_line(kind: type[Settings], description: str, arguments: Sequence[str] | None = None) -> Settings:
    """Read str, int, float and bool fields: --name VALUE, and --name or --no-name for a bool."""
    parser = argparse.ArgumentParser(description=description)
    types = get_type_hints(kind)
    for entry in fields(kind):
        option, needed = "--" + entry.name.replace("_", "-"), entry.default is MISSING
        how = {"action": argparse.BooleanOptionalAction} if types[entry.name] is bool else {"type": types[entry.name]}
        given = {"required": True, "help": "needed"} if needed else {"default": entry.default, "help": "%(default)s"}
        parser.add_argument(option, **how, **given)
    return kind(**vars(parser.parse_args(arguments)))
