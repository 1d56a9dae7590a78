"""The command line of the packager."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from lexis_blender.package.extension import BLENDER, build, write_index
from lexis_blender.package.wheels import PLATFORMS
from lexis_core.errors import LexisError


def main() -> int:
    """Build what is asked for; 0, or 2 after an error told in three lines."""
    parser = argparse.ArgumentParser("python -m lexis_blender.package", description="Build the extension zips.")
    parser.add_argument("--platform", action="append", choices=PLATFORMS, default=[], help="may be given several times")
    parser.add_argument("--python", action="append", choices=BLENDER, help="3.11 for Blender 4.2 to 5.0, 3.13 for "
                        "5.1 and later (default: both)")
    parser.add_argument("--out", type=Path, default=Path("dist"), metavar="DIR", help="default: dist")
    parser.add_argument("--index", action="store_true", help="also write index.json and index.html of a self-hosted "
                        "repository for all zips in DIR")
    parser.add_argument("--blender-min", metavar="VERSION", help="another first version of Blender, for a build of it "
                        "with another Python than Blender's own")
    options = parser.parse_args()
    if not options.platform and not options.index:
        parser.error("give --platform, --index or both")
    try:
        for platform in options.platform:
            for python in options.python or BLENDER:
                began = time.monotonic()
                zipped = build(platform, python, options.out, options.blender_min)
                print(f"{zipped}  {zipped.stat().st_size / 1e6:.1f} MB, {time.monotonic() - began:.0f} s", flush=True)
        if options.index:
            print(write_index(options.out))
    except LexisError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
