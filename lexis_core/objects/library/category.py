"""What a category of the object library is: its parameters, how people touch it, and how it is built."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lexis_core.errors import InputError
from lexis_core.mesh import Mesh

Part = tuple[str, Mesh]
PLACES = ("hand", "hands", "seat", "feet", "back", "head", "floor")


@dataclass(frozen=True)
class Range:
    """A number: metres, degrees when the name says angle, tilt, splay or opening, or a count when whole."""

    default: float
    low: float
    high: float

    def holds(self, value: Any) -> bool:
        number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
        whole = not isinstance(self.default, int) or (number and value == int(value) if np.isfinite(value) else False)
        return bool(number and whole and self.low <= value <= self.high)

    def sample(self, rng: np.random.Generator) -> float:
        if isinstance(self.default, int):
            return int(rng.integers(self.low, self.high + 1))
        return float(rng.uniform(self.low, self.high))

    def __str__(self) -> str:
        return f"{self.default:g} ({self.low:g} to {self.high:g})"


@dataclass(frozen=True)
class Choice:
    """One of a few words, or yes and no; the first is the default."""

    options: tuple[Any, ...]

    @property
    def default(self) -> Any:
        return self.options[0]

    def holds(self, value: Any) -> bool:
        return any(type(value) is type(option) and value == option for option in self.options)

    def sample(self, rng: np.random.Generator) -> Any:
        return self.options[rng.integers(len(self.options))]

    def __str__(self) -> str:
        words = [{True: "yes", False: "no"}.get(option, option) for option in self.options]
        return f"{words[0]} (or {', '.join(words[1:])})"


@dataclass(frozen=True)
class Category:
    """One kind of thing.

    name       : as in CATEGORIES
    place      : where a person touches it: hand, hands, seat, feet, back, head, or floor (beside them)
    parameters : name -> Range or Choice
    build      : the parameters -> (part name, closed mesh) pairs; floor at y = 0 or wherever is handy
    """

    name: str
    place: str
    parameters: Mapping[str, Range | Choice]
    build: Callable[..., Iterable[Part]]

    @property
    def defaults(self) -> dict[str, Any]:
        return {name: parameter.default for name, parameter in self.parameters.items()}

    def sample(self, rng: np.random.Generator) -> dict[str, Any]:
        """Random parameters within their ranges."""
        return {name: parameter.sample(rng) for name, parameter in self.parameters.items()}

    def checked(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The defaults with the given values in their place. InputError for an unknown name or a value out of range."""
        for name, value in given.items():
            if name not in self.parameters:
                raise InputError(f"The {self.name} cannot be built.", f'It has no parameter "{name}".',
                                 f"Use one of: {', '.join(self.parameters)}.")
            if not self.parameters[name].holds(value):
                raise InputError(f"The {self.name} cannot be built.", f"{name} = {value!r} is not possible.",
                                 f"{name} is {self.parameters[name]}.")
        return self.defaults | dict(given)


REGISTRY: dict[str, Category] = {}


def category(place: str, **parameters: tuple) -> Callable[[Callable[..., Iterable[Part]]],
                                                          Callable[..., Iterable[Part]]]:
    """Enter a builder into the library under its own name.

    A parameter is (default, low, high) for numbers, or the options with the default first for words and booleans.
    """

    def enter(build: Callable[..., Iterable[Part]]) -> Callable[..., Iterable[Part]]:
        name = build.__name__.rstrip("_")  # box_ leaves the name box to the solid
        known = {key: Choice(value) if isinstance(value[0], (str, bool)) else Range(*value)
                 for key, value in parameters.items()}
        REGISTRY[name] = Category(name, place, known, build)
        return build

    return enter
