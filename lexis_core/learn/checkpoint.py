"""Checkpoints: written whole or not at all, read without running anything in them."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from lexis_core.errors import InputError
from lexis_core.files import written_whole


def save(path: str | Path, content: Mapping[str, Any]) -> None:
    """Tensors, numbers, words and containers of them."""
    with written_whole(path) as temporary:
        torch.save(dict(content), temporary)


def load(path: str | Path, kind: str | None, device: str = "cpu") -> dict[str, Any]:
    """Read what save wrote. kind : what content["kind"] must say; None takes any dictionary, others' weights too.

    Raises InputError when the file is missing, cut short, or not of that kind.
    """
    path = Path(path)
    try:
        content = torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError as error:
        raise InputError(f"There is no file {path}.", "The path does not lead to a file.",
                         "Check the spelling.") from error
    except (OSError, RuntimeError, ValueError, EOFError, KeyError, TypeError, AttributeError, IndexError,
            zipfile.BadZipFile, pickle.UnpicklingError) as error:
        raise InputError(f"The checkpoint {path} cannot be read.", "It is cut short, damaged or not a checkpoint.",
                         "Use another copy, or train again.") from error
    if not isinstance(content, dict) or kind not in (None, content.get("kind")):
        raise InputError(f"{path} is not a checkpoint of {kind or 'a network'}.", "It holds something else.",
                         f"Give a checkpoint written by the training of {kind or 'the network'}.")
    return content
