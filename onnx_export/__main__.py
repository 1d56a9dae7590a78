"""Write the model bundle out of trained weights, or verify one.

    python -m onnx_export --checkpoint FOLDER --out BUNDLE    FOLDER holds net.pt, encoder.pt and flow.pt
    python -m onnx_export --half-step --out BUNDLE            also the step in half precision, for CUDA
    python -m onnx_export verify BUNDLE                       files, signatures, golden outputs; parity where torch is
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lexis_core.errors import LexisError
from lexis_core.runtime.bundle import default_bundle_folder

WEIGHTS = default_bundle_folder().parent / "weights"


def main(arguments: list[str] | None = None) -> int:
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        return _verify(arguments[1:]) if arguments[:1] == ["verify"] else _export(arguments)
    except LexisError as error:
        print(error, file=sys.stderr)
        return 1


def _export(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m onnx_export", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", "--weights", type=Path, default=WEIGHTS, metavar="FOLDER",
                        help="net.pt, encoder.pt and flow.pt; the weights that ship where it is left out")
    parser.add_argument("--out", type=Path, required=True, metavar="BUNDLE")
    parser.add_argument("--networks", type=Path, default=default_bundle_folder(), metavar="BUNDLE",
                        help="where the person detector and the landmark network are copied from")
    parser.add_argument("--half-step", action="store_true",
                        help="also write step_half, the sampler's step in half precision, which CUDA takes instead")
    options = parser.parse_args(arguments)
    from onnx_export.bundle import make_bundle

    for file, size in make_bundle(options.checkpoint, options.networks, options.out, options.half_step).items():
        print(f"{file:16} {size:12,} bytes")
    return 0


def _verify(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m onnx_export verify", description="Verify a bundle.")
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--checkpoint", "--weights", type=Path, default=WEIGHTS, metavar="FOLDER",
                        help="the weights it was made from")
    parser.add_argument("--without-parity", action="store_true", help="files, signatures and golden outputs only")
    options = parser.parse_args(arguments)
    from onnx_export.verify import verify

    return 0 if verify(options.bundle, None if options.without_parity else options.checkpoint) else 1


if __name__ == "__main__":
    sys.exit(main())
