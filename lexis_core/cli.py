"""The command line: reconstruct, demo, interfield, import, evaluate, doctor."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from lexis_core import __version__
from lexis_core.errors import InputError, LexisError, RuntimeUnavailable

MINUTE = 1e-6  # the smallest focal length and sigma that are taken; a million is the largest


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0 when it did its work, 2 after an error told in three lines."""
    try:
        options = _parser().parse_args(arguments)
        options.run(options)
    except LexisError as error:
        print(error, file=sys.stderr)
        return 2
    except MemoryError:
        print("The memory of this machine is used up.\nThe photo or the mesh is too large for it.\n"
              "Use a smaller photo, or a mesh with fewer faces.", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of our output has gone, as head does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0


class _Parser(argparse.ArgumentParser):
    """A wrong option is told like every other error; subcommands inherit it."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{self.prog} was not run.", f"{message[:1].upper()}{message[1:].rstrip('.')}.",
                         f"See {self.prog} --help.")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser("lexis", description="From a photo and an object to an editable Blender scene.")
    parser.add_argument("--version", action="version", version=f"lexis {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    demo = commands.add_parser("demo", help="reconstruct the example photo: a man and his camera's tripod")
    demo.add_argument("--out", type=Path, default=Path("lexis-demo"), metavar="DIR", help="default: ./lexis-demo")
    demo.set_defaults(run=_demo)

    solve = commands.add_parser("reconstruct", help="pose a body and an object as a photo shows them")
    solve.add_argument("image", type=Path, metavar="IMAGE", help="the photo")
    solve.add_argument("--object", required=True, metavar="MESH|NAME", help="a mesh file, or a name of the library")
    solve.add_argument("--out", type=Path, required=True, metavar="DIR", help="made when it is missing")
    solve.add_argument("--person-mask", type=Path, metavar="FILE", help="white where the person is seen")
    solve.add_argument("--object-mask", type=Path, metavar="FILE",
                       help="white where the object is seen; without it and a box its place is guessed, and said")
    solve.add_argument("--box", type=_box, metavar="x0,y0,x1,y1", help="around the person, pixels")
    solve.add_argument("--object-box", type=_box, metavar="x0,y0,x1,y1", help="around the object, pixels")
    solve.add_argument("--focal", type=_positive, metavar="F",
                       help="focal length, pixels; else the photo's EXIF, else assumed, and said")
    solve.add_argument("--units", choices=("m", "cm", "mm", "in", "ft"),
                       help="of the mesh file; else guessed, and said")
    solve.add_argument("--up", choices=("y", "z"), default="y", help="the mesh file's upward axis")
    solve.add_argument("--body", type=Path, metavar="FILE", help="an SMPL-X file of yours; else the open default body")
    solve.add_argument("--init", type=Path, metavar="FILE", help="another tool's estimate, .npz or Open3DHOI .json")
    solve.add_argument("--method", choices=("auto", "learned", "noise", "estimate"), default="auto",
                       help="learned: refine the estimate by LEXIS-Flow*; noise: LEXIS-Flow without an estimate, "
                            "faster; estimate: it alone (default: learned)")
    solve.add_argument("--steps", type=_count, default=25, metavar="N",
                       help="of the sampler from noise; from an estimate two fifths of them, and one "
                            "(default %(default)s)")
    solve.add_argument("--hypotheses", type=_count, default=1, metavar="N",
                       help="how many LEXIS-Flow tries; the best by its own measure is taken (default %(default)s)")
    solve.add_argument("--device", choices=("auto", "cpu", "cuda", "coreml"), default="auto",
                       help="where the networks run (default: CUDA where it works, else the CPU)")
    solve.add_argument("--seed", type=_seed, default=0, metavar="N", help="the same seed gives the same result")
    solve.set_defaults(run=_reconstruct)

    field = commands.add_parser("interfield", help="the InterFields of any two meshes that share a frame")
    field.add_argument("body", type=Path, metavar="BODY", help="a mesh file")
    field.add_argument("object", type=Path, metavar="OBJECT", help="a mesh file")
    field.add_argument("--sigma", type=_positive, default=0.1, metavar="M", help="metres (default 0.1)")
    field.add_argument("--units", choices=("m", "cm", "mm", "in", "ft"), default="m", help="of both files (default m)")
    field.add_argument("--out", type=Path, required=True, metavar="F.npz")
    field.set_defaults(run=_interfield)

    load = commands.add_parser("import", help="make a .blend of a result")
    load.add_argument("result", type=Path, metavar="RESULT.lexis.npz")
    load.add_argument("--out", type=Path, required=True, metavar="F.blend")
    load.add_argument("--body", type=Path, metavar="FILE", help="the SMPL-X file the result was made with")
    load.set_defaults(run=_import)

    table = commands.add_parser("evaluate", help="score methods on interactions whose truth is known")
    table.add_argument("--data", default="synthetic:test", metavar="DATA",
                       help="synthetic:test (the default; made when it is missing), or FILE.npz[:SPLIT]")
    table.add_argument("--methods", metavar="A,B,...", help="names of docs/evaluation.md; all when left out")
    table.add_argument("--scale", default="1,0.5,0.25", metavar="S,...",
                       help='of the starts\' errors, 1 the estimate\'s own; "real" runs it (default %(default)s)')
    table.add_argument("--count", type=_count, metavar="N", help="interactions; all when left out")
    table.add_argument("--seed", type=_seed, default=0, metavar="N", help="of the choice, the starts and the noise")
    table.add_argument("--json", type=Path, required=True, metavar="F.json", help="where the numbers go")
    table.add_argument("--weights", type=Path, metavar="DIR", help="trained networks; else those that ship")
    table.add_argument("--cache", type=Path, default=Path("lexis-data"), metavar="DIR",
                       help="of the test set (default: ./lexis-data); pictures are kept beside their states file")
    table.add_argument("--workers", type=_count, default=1, metavar="N", help="processes that score (default 1)")
    table.add_argument("--real", type=_count, default=100, metavar="N",
                       help="interactions that the estimate itself is run on (default %(default)s)")
    table.add_argument("--told", action="store_true", help="tell the learned methods the starts' scale")
    table.add_argument("--size", type=_positive, default=1.0, metavar="X",
                       help="give the methods an object X times as large as the true one (default 1)")
    table.set_defaults(run=_evaluate)

    doctor = commands.add_parser("doctor", help="what is installed here, and what is missing")
    doctor.set_defaults(run=_doctor)
    return parser


def _box(text: str) -> tuple[float, ...]:
    try:
        x0, y0, x1, y1 = (float(part) for part in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f'"{text}" is not four numbers x0,y0,x1,y1') from error
    return x0, y0, x1, y1


def _positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not MINUTE <= number <= 1 / MINUTE:
        raise argparse.ArgumentTypeError(f'"{text}" is not a number above 0 and up to {1 / MINUTE:,.0f}')
    return number


def _seed(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise argparse.ArgumentTypeError(f'"{text}" is not a whole number from 0 up, of at most 18 digits')
    return int(text)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 1 << 31):
        raise argparse.ArgumentTypeError(f'"{text}" is not a whole number above 0')
    return int(text)


def _demo(options: argparse.Namespace) -> None:
    from lexis_core.results import Stages, write_results
    demo = Path(__file__).parent / "data" / "demo"
    _check_writable(options.out)
    from lexis_core.pipeline import reconstruct
    result = reconstruct(demo / "camera.png", "tripod", person_mask=demo / "person_mask.png",
                         object_mask=demo / "tripod_mask.png", progress=Stages())
    write_results(result, None, options.out)


def _reconstruct(options: argparse.Namespace) -> None:
    _check_writable(options.out)
    from lexis_core.objects.load import load_object
    from lexis_core.pipeline import reconstruct
    from lexis_core.results import Stages, write_results
    thing = load_object(options.object, units=options.units, up=options.up)
    result = reconstruct(
        options.image, thing, person_mask=options.person_mask, object_mask=options.object_mask, box=options.box,
        object_box=options.object_box, focal=options.focal, body=options.body, init=options.init,
        method=options.method, steps=options.steps, hypotheses=options.hypotheses, seed=options.seed,
        device=options.device, progress=Stages())
    write_results(result, options.body, options.out)


def _interfield(options: argparse.Namespace) -> None:
    import numpy as np

    from lexis_core.files import written_whole
    from lexis_core.interfield import measure, summary
    from lexis_core.objects.load import load_mesh
    if options.out.suffix.lower() != ".npz":
        raise InputError(f"{options.out} was not written.", "Its name does not end in .npz.", "End it in .npz.")
    _check_writable(options.out.parent)
    body, thing = (load_mesh(path, units=options.units) for path in (options.body, options.object))
    field = measure(body, thing, options.sigma)
    with written_whole(options.out) as path, open(path, "wb") as file:
        np.savez_compressed(
            file, body=field.body, object=field.object, body_distance=field.body_distance,
            object_distance=field.object_distance, body_inside=field.body_inside, object_inside=field.object_inside,
            sigma=np.float32(field.sigma))
    said = summary(field, body, thing)
    print(f"{options.out}: {len(field.body):,} + {len(field.object):,} vertices, sigma {field.sigma:g} m; "
          f"nearest {said.minimum_distance * 100:.1f} cm, {said.penetration_share:.1%} of the body's vertices inside")


def _import(options: argparse.Namespace) -> None:
    from lexis_core.reconstruction import load
    from lexis_core.results import blender
    _check_writable(options.out.parent)
    result = load(options.result)
    blender().save_blend(result, options.out, body=options.body)
    print(options.out)


def _evaluate(options: argparse.Namespace) -> None:
    import json

    from lexis_core.files import written_whole
    _check_writable(options.json.parent)
    try:
        from lexis_core.learn.evaluate import METHODS, WEIGHTS, Plan, evaluate
        from lexis_core.learn.evaluate_table import tables
    except ModuleNotFoundError as error:
        raise RuntimeUnavailable("The benchmark cannot run here.", f"It needs the package {error.name}.",
                                 'Install the training extra: pip install "lexis-blender[learn]".') from error
    methods = METHODS if options.methods is None else options.methods.split(",")
    found = evaluate(Plan(
        options.data, tuple(methods), tuple(options.scale.split(",")), options.count, options.seed,
        options.weights or WEIGHTS, options.cache, options.workers, options.real, told=options.told, size=options.size))
    with written_whole(options.json) as path:
        path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(tables(found))


def _doctor(options: argparse.Namespace) -> None:
    from lexis_core.doctor import report
    print(report())


def _check_writable(folder: Path) -> None:
    """Find out before the work, not after it. Nothing is made: what is missing of the folder comes with the results."""
    from lexis_core.files import unwritable
    try:
        there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        if not there.is_dir():
            raise InputError(f"Could not write into {folder}.", f"{there} is a file, not a folder.",
                             "Give another --out.")
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise unwritable(folder, error) from error


if __name__ == "__main__":
    sys.exit(main())
