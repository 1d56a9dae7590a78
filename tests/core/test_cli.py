"""The command line: what it makes of a photo, and that whatever is wrong ends in three lines and leaves nothing."""

import contextlib
import importlib.util
import io
import json
import os
import re
import struct
import subprocess
import sys
import tomllib
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import trimesh
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from shapes import ball, box

from lexis_core import doctor, results
from lexis_core.body import load_body, pose
from lexis_core.cli import _parser, main
from lexis_core.geometry import rotation_from_axis_angle
from lexis_core.initialise import estimates
from lexis_core.interfield import measure
from lexis_core.mesh import Mesh
from lexis_core.objects.library import make
from lexis_core.objects.load import load_object
from lexis_core.reconstruction import load

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "lexis_core" / "data" / "demo"
PHOTO, TRIPOD = DEMO / "camera.png", DEMO / "tripod_mask.png"
sys.path.insert(0, str(ROOT / "tests" / "data"))

from synthetic_smplx import smplx_like  # noqa: E402

GUIDE = ROOT / "docs" / "reconstruct.md"
has_bpy = importlib.util.find_spec("bpy") is not None


def lexis(command: str, **names) -> tuple[int, str, str]:
    """Run a command line in this process: exit code, what it printed, what it complained. {names} are filled in."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([part.format(photo=PHOTO, tripod=TRIPOD, **names) for part in command.split()])
    return code, out.getvalue(), err.getvalue()


def all_parsers() -> list:
    """The program's parser and its commands'."""
    parser = _parser()
    commands = next(action.choices for action in parser._actions if isinstance(action.choices, dict))
    return [parser, *commands.values()]


@pytest.fixture(autouse=True)
def quick_pictures(monkeypatch):
    """Two frames of the turn, and no Blender unless a test asks for it."""
    monkeypatch.setattr(results, "ORBIT_FRAMES", 2)
    monkeypatch.setattr(results, "has_blender", lambda: False)


def estimate(**changes) -> dict:
    """A body of the .npz schema that stands 3 m before the camera, its pelvis 0.35 m above the translation of SMPL-X.

    None leaves a name out.
    """
    values = {"betas": np.zeros(10), "body_pose": np.zeros((21, 3)), "rotation": np.diag([1.0, -1, -1]),
              "translation": [0.0, 0.9, 3.0], **changes}
    return {name: value for name, value in values.items() if value is not None}


WRONG_ESTIMATES = {
    "no_betas": {"betas": None},
    "short": {"betas": np.zeros(9)},
    "words": {"betas": np.array(["a"] * 10)},
    "nan": {"body_pose": np.full((21, 3), np.nan)},
    "homeless": {"translation": None},
    "of_two_places": {"pelvis": [0, 0, 3.0]},
    "vast": {"translation": [1e300, 0, 1]},
    "scaled": {"rotation": np.eye(3) * 2},
    "mirrored": {"rotation": -np.eye(3)},
    "pickle": {"betas": np.array([{"a": 1}], dtype=object)},
    "shapeless": {"betas": np.full(10, 20.0)},
    "behind": {"translation": [0, 0, -3.0]},
    "far": {"translation": [0, 0, 5000.0]},
    "unturned": {"object_translation": [0, 0, 3.0]},
    "unplaced": {"object_rotation": np.eye(3)},
    "inside_out": {"object_rotation": np.eye(3), "object_translation": [0, 0, 3.0], "object_scale": -1.0},
    "huge": {"object_rotation": np.eye(3), "object_translation": [0, 0, 3.0], "object_scale": 9e3},
    "unfocused": {"focal": -1.0},
    "three_focal": {"focal": [500.0, 500, 500]},
    "lens_only": {"center": [250.0, 250]},
}


def bomb(path: Path) -> None:
    """A PNG whose header promises 60,000 x 60,000 pixels."""
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(999)))
                     + chunk(b"IEND", b""))


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    """A folder of things that are not what they should be."""
    f = tmp_path_factory.mktemp("wrong")
    (f / "file").write_text("x")
    (f / "text.png").write_text("hello")
    (f / "empty.png").write_bytes(b"")
    bomb(f / "bomb.png")
    Image.new("L", (300, 300), 127).save(f / "grey.png")
    Image.new("L", (100, 100), 255).save(f / "small.png")
    Image.new("L", (512, 512), 0).save(f / "black.png")
    (f / "points.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\n")
    (f / "nan.obj").write_text("v 0 nan 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    (f / "dot.obj").write_text("v 0 0 0\nv 0 0 0\nv 0 0 0\nf 1 2 3\n")
    (f / "line.obj").write_text("v 0 0 0\nv 1 0 0\nv 2 0 0\nf 1 2 3\n")
    (f / "cube.obj").write_text(trimesh.creation.box((0.3, 0.3, 0.3)).export(file_type="obj"))
    np.savez(f / "keys.npz", v_template=np.zeros((9, 3)))
    for name, changes in WRONG_ESTIMATES.items():
        np.savez(f / f"{name}.npz", **estimate(**changes))
    (f / "torn.npz").write_bytes((f / "nan.npz").read_bytes()[:200])
    with zipfile.ZipFile(f / "zeros.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("betas.npy", bytes(80 << 20))
    with zipfile.ZipFile(f / "liar.npz", "w") as archive, archive.open("betas.npy", "w") as member:
        np.lib.format.write_array_header_1_0(member, {"descr": "<f8", "fortran_order": False, "shape": (10**13,)})
    (f / "list.json").write_text("[]")
    (f / "deep.json").write_text("[" * 100_000)
    (f / "number.json").write_text(json.dumps({"body_pose": [10**400] * 63}))
    (f / "taken.blend").mkdir()
    return f


SOLVE = "reconstruct {photo} --object tripod --out {out}"
WRONG = [
    ("reconstruct {f}/gone.jpg --object tripod --out {out}", "no such file"),
    ("reconstruct {f}/text.png --object tripod --out {out}", "not an image"),
    ("reconstruct {f}/empty.png --object tripod --out {out}", "empty"),
    ("reconstruct {f}/bomb.png --object tripod --out {out}", "too large"),
    ("reconstruct {f}/grey.png --object tripod --out {out}", "No person was found"),
    ("reconstruct {f} --object tripod --out {out}", "folder"),
    (f"{SOLVE} --object-mask {{f}}/small.png", "100 x 100"),
    (f"{SOLVE} --person-mask {{f}}/small.png", "100 x 100"),
    (f"{SOLVE} --object-mask {{f}}/black.png", "empty"),
    (f"{SOLVE} --object-mask {{f}}/text.png", "not an image"),
    (f"{SOLVE} --person-mask {{f}}/gone.png", "no such file"),
    ("reconstruct {photo} --object {f}/points.obj --out {out}", "no faces"),
    ("reconstruct {photo} --object {f}/nan.obj --out {out}", "NaN"),
    ("reconstruct {photo} --object {f}/dot.obj --out {out}", "one place"),
    ("reconstruct {photo} --object {f}/line.obj --object-mask {tripod} --out {out}", "no area"),
    ("reconstruct {photo} --object {f}/gone.obj --out {out}", "no such file"),
    ("reconstruct {photo} --object {photo} --out {out}", "not a mesh format"),
    ("reconstruct {photo} --object dragon --out {out}", "tripod"),
    ("reconstruct {photo} --object {f}/cube.obj --units mm --out {out}/deeper", "unit"),
    (f"{SOLVE} --body {{f}}/keys.npz", "shapedirs"),
    (f"{SOLVE} --body {{f}}/gone.npz", "No such file"),
    (f"{SOLVE} --body {{f}}/file", ".npz"),
    ("reconstruct {photo} --object tripod --out {f}/file", "a file, not a folder"),
    ("reconstruct {photo} --object tripod --out {f}/file/below/it", "Not a directory|a file"),
    ("demo --out {f}/file", "a file, not a folder"),
    (f"{SOLVE} --box 1,2,x", "four numbers"),
    (f"{SOLVE} --box 1,2,3", "four numbers"),
    (f"{SOLVE} --object-box 1,2,3,4,5", "four numbers"),
    (f"{SOLVE} --box nan,0,10,10", "encloses nothing"),
    (f"{SOLVE} --box 10,10,5,5", "encloses nothing"),
    (f"{SOLVE} --object-box 600,600,700,700", "512 x 512"),
    (f"{SOLVE} --box 490,0,510,20", "looks like a person"),
    *((f"{SOLVE} --focal {wrong}", "above 0") for wrong in ("0", "-1", "nan", "inf", "wide", "1e12")),
    (f"{SOLVE} --focal 0.001", "focal"),
    (f"{SOLVE} --units furlong", "furlong"),
    (f"{SOLVE} --up x", "'?y'?, '?z"),
    (f"{SOLVE} --device tpu", "cuda"),
    *((f"{SOLVE} --seed {wrong}", "whole number") for wrong in ("-1", "x", "1.5", "9" * 30)),
    *((f"{SOLVE} --steps {wrong}", "whole number above 0") for wrong in ("0", "-3", "x")),
    (f"{SOLVE} --method magic", "noise"),
    (f"{SOLVE} --method noise --init {{f}}/nan.npz", "begins without one"),
    ("reconstruct {photo} --object tripod", "--out"),
    ("reconstruct {photo} --out {out}", "--object"),
    ("explode", "reconstruct"),
    ("", "COMMAND"),
    *((f"{SOLVE} --init {{f}}/{name}.npz", ".") for name in WRONG_ESTIMATES),
    (f"{SOLVE} --init {{f}}/no_betas.npz", "lacks betas"),
    (f"{SOLVE} --init {{f}}/nan.npz", "body_pose holds NaN"),
    (f"{SOLVE} --init {{f}}/mirrored.npz", "rotation is not a rotation"),
    (f"{SOLVE} --init {{f}}/behind.npz", "before the camera"),
    (f"{SOLVE} --init {{f}}/gone.npz", "No such file"),
    (f"{SOLVE} --init {{f}}/torn.npz", "damaged"),
    (f"{SOLVE} --init {{f}}/zeros.npz", "64 MB"),
    (f"{SOLVE} --init {{f}}/liar.npz", "damaged"),
    (f"{SOLVE} --init {{f}}/list.json", "named values"),
    (f"{SOLVE} --init {{f}}/deep.json", "not json"),
    (f"{SOLVE} --init {{f}}/number.json", "body_pose"),
    (f"{SOLVE} --init {{f}}/file", ".json"),
    *((f"interfield {{f}}/cube.obj {{f}}/cube.obj --sigma {wrong} --out {{out}}.npz", "above 0")
      for wrong in ("0", "-1", "nan", "wide")),
    ("interfield {f}/cube.obj {f}/gone.obj --out {out}.npz", "no such file"),
    ("interfield {f}/points.obj {f}/cube.obj --out {out}.npz", "no faces"),
    ("interfield {f}/cube.obj {f}/cube.obj --out {out}.txt", ".npz"),
    ("interfield {f}/cube.obj {f}/cube.obj --out {f}/file/field.npz", "a file, not a folder"),
    ("import {f}/gone.lexis.npz --out {out}.blend", "no file"),
    ("import {f}/keys.npz --out {out}.blend", "not a LEXIS result"),
]


@pytest.mark.parametrize("command, told", WRONG)
def test_bad_input_ends_in_three_lines_and_leaves_nothing(command, told, files, tmp_path):
    before = sorted(files.rglob("*"))
    code, _, err = lexis(command, f=files, out=tmp_path / "out")
    assert code == 2
    lines = err.splitlines()
    assert len(lines) == 3 and all(line.strip() for line in lines), err
    assert re.search(told, err), err
    assert not list(tmp_path.iterdir()) and sorted(files.rglob("*")) == before


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="there is no /proc on this system")
def test_a_folder_nobody_may_write_to_is_found_out_before_the_work():
    code, out, err = lexis(SOLVE, out="/proc/lexis/here")
    assert (code, out, len(err.splitlines())) == (2, "", 3)


def test_the_program_itself_writes_three_lines_and_no_more(files, tmp_path):
    """What libraries print on their own would show here."""
    for command in ("reconstruct {photo} --object {f}/nan.obj --out {out}", f"{SOLVE} --box 1,2,x",
                    f"{SOLVE} --object-mask {{f}}/small.png"):
        arguments = [part.format(photo=PHOTO, f=files, out=tmp_path / "out") for part in command.split()]
        done = subprocess.run([sys.executable, "-m", "lexis_core.cli", *arguments], capture_output=True, text=True,
                              cwd=ROOT, check=False)
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 3, done.stderr
        assert "Traceback" not in done.stderr and not list(tmp_path.iterdir())


def test_help_needs_no_heavy_library_and_a_closed_pipe_no_traceback():
    code = "import sys; from lexis_core.cli import _parser; _parser(); print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "False"
    read, write = os.pipe()
    os.close(read)
    gone = subprocess.run([sys.executable, "-m", "lexis_core.cli", "doctor"], stdout=write, stderr=subprocess.PIPE,
                          text=True, cwd=ROOT, check=False)
    os.close(write)
    assert gone.returncode != 0 and gone.stderr == ""


def arrays_of(path: Path) -> dict[str, np.ndarray]:
    """All but the notes and seconds."""
    with np.load(path) as file:
        return {name: file[name] for name in file.files if name != "meta"}


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The demo photo with a box around the man and the tripod's mask: what was printed, and the folder."""
    out = tmp_path_factory.mktemp("solved") / "new" / "folder"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(results, "ORBIT_FRAMES", 2)
        patch.setattr(results, "has_blender", lambda: False)
        code, printed, err = lexis(f"{SOLVE} --box 60,20,420,512 --object-mask {{tripod}} --seed 3", out=out)
    assert (code, err) == (0, "")
    return printed, out


def test_a_photo_becomes_a_result_with_pictures(demo):
    printed, out = demo
    assert sorted(p.name for p in out.iterdir()) == ["orbit.gif", "overlay.png", "result.lexis.npz"]
    result = load(out / "result.lexis.npz")
    assert result.object.category == "tripod" and result.info["seed"] == 3
    assert_array_equal(result.object_mask, np.asarray(Image.open(TRIPOD).convert("L")) > 127)
    with Image.open(out / "overlay.png") as overlay, Image.open(out / "orbit.gif") as orbit:
        assert overlay.size == (512, 512) and orbit.n_frames == 2
    for stage in ("load", "observe", "body", "object", "flow", "interfield", "result", "overlay", "orbit"):
        assert re.search(rf"^{stage} +\d+\.\d\d s$", printed, re.M), printed
    assert "device: " in printed and "bpy is missing" in printed
    for note in result.info["notes"]:
        assert f"note: {note}" in printed


def test_what_was_assumed_is_said(demo):
    notes = " ".join(load(demo[1] / "result.lexis.npz").info["notes"])
    assert "focal length is not known" in notes and "IoU" in notes


def test_the_same_seed_gives_the_same_bytes(demo, tmp_path):
    assert lexis(f"{SOLVE} --box 60,20,420,512 --object-mask {{tripod}} --seed 3", out=tmp_path)[0] == 0
    first, again = (arrays_of(folder / "result.lexis.npz") for folder in (demo[1], tmp_path))
    assert first.keys() == again.keys()
    for name in first:
        assert first[name].tobytes() == again[name].tobytes(), name


def test_without_an_estimate_it_is_quicker_and_says_so(tmp_path):
    code, printed, _ = lexis(f"{SOLVE} --object-mask {{tripod}} --method noise --steps 9 --hypotheses 2", out=tmp_path)
    result = load(tmp_path / "result.lexis.npz")
    assert code == 0 and (result.info["method"], result.info["steps"]) == ("noise", 9)
    assert not re.search("^(body|object) ", printed, re.M) and re.search("^flow ", printed, re.M)


def test_a_box_around_the_object_does_instead_of_a_mask(tmp_path):
    code, printed, _ = lexis(f"{SOLVE} --object-box 225,130,390,512 --focal 600", out=tmp_path)
    result = load(tmp_path / "result.lexis.npz")
    assert code == 0 and result.object_mask.any() and "GrabCut" in printed
    rows, columns = np.nonzero(result.object_mask)
    assert columns.min() >= 225 and columns.max() < 390 and rows.min() >= 130
    assert result.camera.focal == (600.0, 600.0) and "focal length is not known" not in printed


def test_without_a_mask_the_place_is_a_guess_and_said(tmp_path):
    with Image.open(PHOTO) as photo:
        photo.resize((1800, 1800)).save(tmp_path / "large.jpg")
    code, printed, _ = lexis("reconstruct {out}/large.jpg --object chair --out {out}", out=tmp_path)
    result = load(tmp_path / "result.lexis.npz")
    assert code == 0 and re.search("note: .*guess.*chair.*--object-mask", printed) and not result.object_mask.any()
    assert result.state.object.translation[2] > 1 and result.person_mask.shape == (1800, 1800)
    with Image.open(tmp_path / "overlay.png") as overlay:  # a large photo is not drawn at its full size
        assert overlay.size == (1280, 1280)


def test_an_estimate_from_elsewhere_is_taken_as_it_is(tmp_path):
    turn = rotation_from_axis_angle(np.array([0.2, 0.4, -0.1])) @ np.diag([1.0, -1, -1])
    bent = np.random.default_rng(0).normal(0, 0.2, (21, 3))
    np.savez(tmp_path / "start.npz", **estimate(
        body_pose=bent, rotation=turn, betas=np.ones(10), flat_hand=True, left_hand_pose=np.full((15, 3), 0.1),
        object_rotation=turn.T, object_translation=[0.4, 0.2, 2.8], object_scale=1.5, focal=[700.0, 710.0],
        center=[250.0, 260.0], made_by=np.array("another tool")))
    code, printed, _ = lexis(f"{SOLVE} --method estimate --init {{start}} --focal 500", start=tmp_path / "start.npz",
                             out=tmp_path / "o")
    result = load(tmp_path / "o" / "result.lexis.npz")
    body, placed = result.state.body, result.state.object
    assert code == 0
    for got, want in ((body.body_pose, bent), (body.rotation, turn), (body.translation, [0, 0.9 - 0.35, 3.01]),
                      (body.left_hand_pose, 0.1), (placed.rotation, turn.T), (placed.translation, [0.4, 0.2, 2.8])):
        assert_allclose(got, np.broadcast_to(want, got.shape), atol=1e-6)
    assert placed.scale == 1.5 and body.flat_hand
    assert result.camera.focal == (700.0, 710.0) and result.camera.center == (250.0, 260.0)
    assert not body.betas.any() and "betas" in printed  # they are SMPL-X's, and this is not its body
    assert "--focal sets it" not in printed and "the estimate has its own" in printed
    assert result.info["start"] == str(tmp_path / "start.npz")


def test_the_guides_example_runs_and_leaves_the_object_to_us(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(re.search(r"```python\n(.*?)```", GUIDE.read_text("utf-8"), re.S)[1])
    code, printed, _ = lexis(f"{SOLVE} --method estimate --init start.npz", out="scene")
    assert code == 0 and "guess" in printed and "--focal sets it" in printed
    stood = pose(load_body(), load(tmp_path / "scene" / "result.lexis.npz").state.body)
    assert_allclose(stood.joints[0], [0, 0.2, 3], atol=1e-6)


def test_the_guide_names_every_command_option_and_array():
    text = GUIDE.read_text("utf-8") + (GUIDE.parent / "evaluation.md").read_text("utf-8")
    words = {option for option in re.findall(r"--[a-z-]+", "".join(
        parser.format_help() for parser in all_parsers())) if option not in ("--help", "--version")}
    assert len(words) > 10
    for word in words | set(estimates._KNOWN) | {"lexis demo", "lexis import", "lexis interfield", "lexis doctor"}:
        assert re.search(rf"{word}\b", text), word


def test_open3dhoi_puts_the_mesh_where_its_file_has_it(tmp_path):
    """The object's file is in the frame of the body, whatever unit its size suggests."""
    thing = trimesh.creation.box((30.0, 40.0, 50.0)).apply_translation((2.0, 3.0, 4.0))
    thing.export(tmp_path / "box.obj")
    zeros = {"body_pose": 63, "lhand_pose": 45, "rhand_pose": 45, "jaw_pose": 3, "shape": 10, "expr": 10}
    (tmp_path / "smplx_parameters.json").write_text(json.dumps({
        **{name: [[0.0] * count] for name, count in zeros.items()}, "root_pose": [[np.pi, 0, 0]],
        "cam_trans": [[0.1, 0.2, 90.0]], "focal": [15000.0, 15000.0], "princpt": [256.0, 256.0]}))
    code, printed, err = lexis("reconstruct {photo} --object {d}/box.obj --init {d}/smplx_parameters.json "
                               "--method estimate --out {d}/o", d=tmp_path)
    assert code == 0, err
    result = load(tmp_path / "o" / "result.lexis.npz")
    stood = result.object_mesh().vertices
    want = np.array([[2.0, 3.0, 4.0]]) + [[0.1, 0.2, 90.0]]
    assert_allclose([(stood.min(0) + stood.max(0)) / 2], want, atol=1e-3)
    assert_allclose(np.ptp(stood, axis=0), [30, 40, 50], rtol=1e-5)
    assert result.camera.focal[0] == 15000 and "centimetres" in printed


@pytest.fixture(scope="module")
def smplx_file(tmp_path_factory) -> Path:
    """A made-up body under SMPL-X's keys."""
    model = smplx_like(vertices=3000)
    near = np.argsort(((model.joint_template[:, None] - model.template) ** 2).sum(-1), axis=1)[:, :30]
    regressor = np.zeros((55, 3000), np.float32)
    np.put_along_axis(regressor, near, 1 / 30, axis=1)
    parents = np.array(model.parents, np.int64)
    parents[0] = 2**32 - 1
    path = tmp_path_factory.mktemp("body") / "SMPLX_NEUTRAL.npz"
    np.savez(path, v_template=model.template, f=model.faces.astype(np.uint32), posedirs=model.pose_dirs,
             shapedirs=np.concatenate([model.shape_dirs, model.expression_dirs], -1), weights=model.weights,
             J_regressor=regressor, kintree_table=np.stack([parents, np.arange(55)]),
             hands_meanl=model.hand_mean_left.ravel(), hands_meanr=model.hand_mean_right.ravel())
    return path


def test_a_body_of_ones_own_is_posed(smplx_file, tmp_path):
    code, _, err = lexis(f"{SOLVE} --body {{body}}", body=smplx_file, out=tmp_path)
    assert code == 0, err
    result, model = load(tmp_path / "result.lexis.npz"), load_body(smplx_file)
    assert result.body_digest == model.digest and len(result.field.body) == 3000
    seen = result.confidence[:33] > 0.9
    joints = result.camera.project(pose(model, result.state.body).joints)
    for landmark, joint in ((11, 16), (12, 17), (13, 18), (14, 19), (23, 1), (24, 2)):
        assert not seen[landmark] or np.linalg.norm(joints[joint] - result.landmarks[landmark]) < 0.05 * 512


def test_a_body_of_ones_own_takes_the_estimates_betas(smplx_file, tmp_path):
    np.savez(tmp_path / "start.npz", **estimate(betas=np.linspace(-2, 2, 10), expression=np.full(10, 0.5),
                                                object_rotation=np.eye(3), object_translation=[0, 0, 3.0]))
    code, _, err = lexis(f"{SOLVE} --body {{body}} --init {{start}}", body=smplx_file, start=tmp_path / "start.npz",
                         out=tmp_path / "o")
    assert code == 0, err
    state = load(tmp_path / "o" / "result.lexis.npz").state.body
    assert_allclose(state.betas, np.linspace(-2, 2, 10), atol=1e-6)
    assert_allclose(state.expression, 0.5)


def write_scan(path: Path, count: int = 1000) -> int:
    """A bulgy vase, open at both ends, of 2 count^2 triangles as binary ply; how many there are."""
    around, up = np.meshgrid(np.linspace(0, 2 * np.pi, count, endpoint=False), np.linspace(0.1, 3.0, count + 1))
    radius = 0.2 * np.sin(up) * (1 + 0.05 * np.sin(8 * around))
    points = np.stack([radius * np.cos(around), -0.3 * np.cos(up), radius * np.sin(around)], -1).reshape(-1, 3)
    row, column = np.divmod(np.arange(count * count), count)
    a, b = row * count + column, row * count + (column + 1) % count
    faces = np.empty(2 * count * count, [("n", "u1"), ("corners", "<i4", 3)])
    faces["n"], faces["corners"] = 3, np.concatenate([np.stack([a, a + count, b], -1),
                                                      np.stack([b, a + count, b + count], -1)])
    head = (f"ply\nformat binary_little_endian 1.0\nelement vertex {len(points)}\nproperty float x\nproperty float y\n"
            f"property float z\nelement face {len(faces)}\nproperty list uchar int vertex_indices\nend_header\n")
    path.write_bytes(head.encode() + points.astype("<f4").tobytes() + faces.tobytes())
    return len(faces)


def test_a_scan_of_two_million_faces_is_solved_small_and_kept_whole(tmp_path):
    count = write_scan(tmp_path / "scan.ply")
    code, _, err = lexis("reconstruct {photo} --object {d}/scan.ply --units m --object-mask {tripod} --out {d}/o",
                         d=tmp_path)
    assert code == 0, err
    result = load(tmp_path / "o" / "result.lexis.npz")
    assert count == len(result.object.mesh.faces) == 2_000_000
    assert len(result.field.object) == len(result.object.mesh.vertices) == 1_001_000


def test_import_writes_a_blend_that_reopens(demo, tmp_path):
    bpy = pytest.importorskip("bpy", reason="the bpy wheel is not installed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(results, "has_blender", lambda: has_bpy)
        code, printed, err = lexis("import {r} --out {out}/scene.blend", r=demo[1] / "result.lexis.npz", out=tmp_path)
    assert code == 0, err
    assert printed.strip().endswith("scene.blend") and [p.name for p in tmp_path.iterdir()] == ["scene.blend"]
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "scene.blend"))
    counts = {len(thing.data.vertices) for thing in bpy.data.objects if thing.type == "MESH"}
    result = load(demo[1] / "result.lexis.npz")
    assert {len(result.field.body), len(result.field.object)} <= counts


def test_without_blender_import_says_what_to_install(demo, tmp_path):
    code, _, err = lexis("import {r} --out {out}/scene.blend", r=demo[1] / "result.lexis.npz", out=tmp_path)
    assert code == 2 and "pip install" in err and not list(tmp_path.iterdir())


@pytest.mark.parametrize("sigma, units", [(0.1, 1.0), (0.25, 0.01)])
def test_interfield_writes_what_measure_finds(sigma, units, tmp_path):
    body, thing = ball(0.5 / units, (0, 0, 0), 3), box(np.array((0.3, -0.1, -0.2)) / units, np.array((1, 1, 1)) / units)
    for name, mesh in (("body", body), ("thing", thing)):
        trimesh.Trimesh(mesh.vertices, mesh.faces, process=False).export(tmp_path / f"{name}.ply")
    code, printed, err = lexis(f"interfield {{d}}/body.ply {{d}}/thing.ply --sigma {sigma} --units {{u}} "
                               "--out {d}/deep/field.npz", d=tmp_path, u={1.0: "m", 0.01: "cm"}[units])
    assert code == 0, err
    scaled = [Mesh((mesh.vertices * units).astype(np.float32), mesh.faces) for mesh in (body, thing)]
    want = measure(*scaled, sigma)
    with np.load(tmp_path / "deep" / "field.npz") as got:
        assert sorted(got.files) == ["body", "body_distance", "body_inside", "object", "object_distance",
                                     "object_inside", "sigma"]
        assert float(got["sigma"]) == np.float32(sigma)
        for name in ("body", "object", "body_distance", "object_distance", "body_inside", "object_inside"):
            assert_allclose(got[name], getattr(want, name), atol=1e-6)
        assert got["body_inside"].any() and f"{len(body.vertices):,} + 8 vertices" in printed


def test_doctor_names_every_dependency_and_the_state_of_bundle_and_body():
    code, printed, _ = lexis("doctor")
    with open(ROOT / "pyproject.toml", "rb") as file:
        needed = {re.match(r"[\w-]+", line)[0] for line in tomllib.load(file)["project"]["dependencies"]}
    assert code == 0
    for package in needed:
        assert re.search(rf"^{package} +\d", printed, re.M), package
    assert re.search(r"^ONNX Runtime +onnxruntime", printed, re.M) and re.search(r"^device cpu +yes", printed, re.M)
    assert "verified" in printed and "13,718 vertices" in printed
    assert "PROBLEM" not in printed and "NEEDED" not in printed


def test_doctor_tells_what_is_missing_and_what_for(monkeypatch):
    monkeypatch.setattr(doctor, "PACKAGES", ("numpy", "a-package-nobody-has"))
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # as if it were not installed
    code, printed, _ = lexis("doctor")
    assert code == 0 and "NEEDED" in printed and "PROBLEM: ONNX Runtime cannot be loaded" in printed


def test_the_library_is_reached_by_name_and_files_by_path(tmp_path):
    path = tmp_path / "mug.obj"
    path.write_text(trimesh.creation.box((0.08, 0.1, 0.08)).export(file_type="obj"))
    assert make("cup").category == load_object(str(path)).category == load_object("cup").category == "cup"
