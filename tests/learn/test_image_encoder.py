"""The image encoders: sixteen tokens of a picture, true labels to learn from, a vision transformer's own numbers."""

from __future__ import annotations

import os
import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from rendered_interactions import made_up_interactions
from torch import nn
from torch.nn import functional

from lexis_core.body import default_body, pose
from lexis_core.errors import InputError
from lexis_core.interfield import CONTACT, distance
from lexis_core.learn import checkpoint
from lexis_core.learn.encoder_labels import TOUCHING, Labels, coarse, labels_of, mirrored
from lexis_core.learn.encoder_report import errors_of, summary
from lexis_core.learn.image_encoder import ImageEncoder, ImageParams, load_encoder, packed, vit_encoder
from lexis_core.learn.train_encoder import Settings, mean_of, train, varied
from lexis_core.learn.views import views
from lexis_core.runtime.session import Session
from lexis_core.synthetic.regions import regions
from lexis_core.synthetic.render import render
from lexis_core.synthetic.states import load


@pytest.fixture(scope="module")
def states(tmp_path_factory):
    path = tmp_path_factory.mktemp("encoder") / "few.npz"
    made = made_up_interactions(24)
    replace(made, split=np.array([0] * 16 + [1] * 8, np.int8)).save(path)
    return path


@pytest.fixture(scope="module")
def interactions(states):
    return load(states)


@pytest.fixture(scope="module")
def labels(states, interactions) -> Labels:
    seen = views(states, processes=1)
    return labels_of(interactions, seen.camera, seen.masks)


def test_a_picture_becomes_sixteen_tokens_at_a_small_price():
    encoder, spent = ImageEncoder().eval(), 0

    def count(module, _, out):
        nonlocal spent
        spent += out.numel() * (module.in_features if isinstance(module, nn.Linear) else module.weight[0].numel())

    for module in encoder.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            module.register_forward_hook(count)
    tokens = encoder(torch.rand(1, 3, 112, 112))
    assert tokens.shape == (1, encoder.tokens, encoder.width) == (1, 16, 128)
    assert spent < 62e6
    assert 0.9e6 < sum(parameter.numel() for parameter in encoder.parameters()) < 1.3e6


def test_cells_go_row_by_row_from_the_top_left():
    torch.manual_seed(0)
    encoder = ImageEncoder().eval()
    grey = torch.full((1, 3, 112, 112), 0.5)
    for top, left in ((0, 0), (0, 92), (92, 0)):
        spotted = grey.clone()
        spotted[..., top:top + 20, left:left + 20] = 1
        change = (encoder.steps(4 * spotted - 2) - encoder.steps(4 * grey - 2)).square().sum(1).reshape(4, 4)
        rows, columns = change.sum(1), change.sum(0)
        assert (rows[:2].sum() > rows[2:].sum()) == (top == 0)
        assert (columns[:2].sum() > columns[2:].sum()) == (left == 0)


def test_a_saved_encoder_comes_back_frozen_and_the_same(tmp_path):
    encoder = ImageEncoder(ImageParams(widths=(8, 16, 32), layers=1))
    encoder(torch.rand(4, 3, 112, 112))  # moves the running statistics
    checkpoint.save(tmp_path / "e.pt", packed(encoder))
    known, picture = load_encoder(tmp_path / "e.pt"), torch.rand(2, 3, 112, 112)
    assert torch.equal(known(picture), encoder.eval()(picture))
    assert not known.training and not any(parameter.requires_grad for parameter in known.parameters())


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_hostile_and_foreign_files_are_refused_without_running_them(tmp_path):
    sprung = tmp_path / "sprung"
    torch.save({"kind": "image encoder", "net": Trap(sprung)}, tmp_path / "trap.pt")
    (tmp_path / "bare.pt").write_bytes(pickle.dumps(Trap(sprung), 2))
    (tmp_path / "noise.pt").write_bytes(os.urandom(3000))
    torch.save({"kind": "LEXIS-Net"}, tmp_path / "net.pt")
    torch.save([1, 2], tmp_path / "list.pt")
    torch.save({"patch_embed.proj.weight": 3}, tmp_path / "three.pt")
    good = packed(ImageEncoder())
    torch.save({**good, "params": {**good["params"], "layers": 1}}, tmp_path / "other.pt")
    torch.save({**good, "params": {"depth": 4}}, tmp_path / "unknown.pt")
    for path in [*tmp_path.glob("*.pt"), tmp_path / "nowhere.pt"]:
        with pytest.raises(InputError):
            load_encoder(path)
    assert not sprung.exists()


def dinov2_weights(width=128, layers=2, patch=14, grid=8, registers=0) -> dict[str, torch.Tensor]:
    """Random weights under the names of DINOv2's files."""
    torch.manual_seed(0)
    shapes = {"cls_token": (1, 1, width), "pos_embed": (1, 1 + grid**2, width), "mask_token": (1, width),
              "patch_embed.proj.weight": (width, 3, patch, patch), "patch_embed.proj.bias": (width,),
              "norm.weight": (width,), "norm.bias": (width,)}
    if registers:
        shapes["register_tokens"] = (1, registers, width)
    for k in range(layers):
        for name, out, into in (("attn.qkv", 3 * width, width), ("attn.proj", width, width),
                                ("mlp.fc1", 4 * width, width), ("mlp.fc2", width, 4 * width)):
            shapes |= {f"blocks.{k}.{name}.weight": (out, into), f"blocks.{k}.{name}.bias": (out,)}
        for name in ("norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias", "ls1.gamma", "ls2.gamma"):
            shapes[f"blocks.{k}.{name}"] = (width,)
    return {name: 0.1 * torch.randn(shape) for name, shape in shapes.items()}


def by_torch(weights: dict[str, torch.Tensor], image: torch.Tensor, patch: int) -> torch.Tensor:
    """The patches' tokens by torch's own attention, LayerScale as DINOv2 has it."""
    mean, deviation = (torch.tensor(v)[:, None, None] for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    kernel = weights["patch_embed.proj.weight"]
    x = functional.conv2d((image - mean) / deviation, kernel, weights["patch_embed.proj.bias"], patch)
    x = torch.cat([weights["cls_token"].expand(len(x), -1, -1), x.flatten(2).transpose(1, 2)], 1)
    x = x + weights["pos_embed"]
    extra = weights.get("register_tokens", torch.zeros(1, 0, len(kernel)))
    x = torch.cat([x[:, :1], extra.expand(len(x), -1, -1), x[:, 1:]], 1)
    width = (len(kernel),)
    for k in range(2):
        w = {name.removeprefix(f"blocks.{k}."): v for name, v in weights.items() if name.startswith(f"blocks.{k}.")}
        y = functional.layer_norm(x, width, w["norm1.weight"], w["norm1.bias"], 1e-6).transpose(0, 1)
        y = functional.multi_head_attention_forward(
            y, y, y, width[0], width[0] // 64, w["attn.qkv.weight"], w["attn.qkv.bias"], None, None, False, 0.0,
            w["attn.proj.weight"], w["attn.proj.bias"], training=False)[0].transpose(0, 1)
        x = x + w["ls1.gamma"] * y
        y = functional.layer_norm(x, width, w["norm2.weight"], w["norm2.bias"], 1e-6)
        y = functional.gelu(functional.linear(y, w["mlp.fc1.weight"], w["mlp.fc1.bias"]))
        x = x + w["ls2.gamma"] * functional.linear(y, w["mlp.fc2.weight"], w["mlp.fc2.bias"])
    return functional.layer_norm(x, width, weights["norm.weight"], weights["norm.bias"], 1e-6)[:, 1 + extra.shape[1]:]


@pytest.mark.parametrize("registers", [0, 4])
def test_a_vision_transformer_of_dinov2s_names_says_what_torchs_own_attention_says(tmp_path, registers):
    weights, image = dinov2_weights(registers=registers), torch.rand(2, 3, 112, 112)
    torch.save(weights, tmp_path / "vit.pth")
    encoder = vit_encoder(weights, 112)
    truth = by_torch(weights, image, 14)
    assert torch.allclose(encoder.patches(image), truth, atol=2e-5)
    cells = truth.reshape(2, 4, 2, 4, 2, -1).mean((2, 4)).flatten(1, 2)
    assert torch.allclose(encoder(image), cells, atol=2e-5)
    known = load_encoder(tmp_path / "vit.pth")  # at 224, its learned places resampled
    assert known(image).shape == (2, 16, 128) and known.width == 128 and known.p.registers == registers
    checkpoint.save(tmp_path / "packed.pt", packed(known))
    assert torch.equal(load_encoder(tmp_path / "packed.pt")(image), known(image))


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "vit_small_patch14_dinov2", "vit_small_patch14_reg4_dinov2"])
def test_a_model_of_timm_says_the_same_here(name):
    timm = pytest.importorskip("timm", exc_type=Exception)
    torch.manual_seed(0)
    model = timm.create_model(name, img_size=112, num_classes=0).eval()
    for parameter in model.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    encoder, image = vit_encoder(model.state_dict(), 112), torch.rand(2, 3, 112, 112)
    tokens = model.forward_features((image - encoder.mean) / encoder.deviation)[:, model.num_prefix_tokens:]
    assert torch.allclose(encoder.patches(image), tokens, atol=1e-4)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
@pytest.mark.parametrize("kind", ["small", "vit"])
def test_an_exported_encoder_answers_as_torch_does_for_any_batch(tmp_path, kind):
    pytest.importorskip("onnx", reason="onnx is not installed, which writes the file")
    pytest.importorskip("onnxscript", reason="onnxscript is not installed, which torch exports with")
    encoder = ImageEncoder(ImageParams((8, 16, 32), (1, 1, 1), 1)).eval() if kind == "small" else vit_encoder(
        dinov2_weights(layers=1))
    program = torch.onnx.export(encoder, (torch.rand(2, 3, 112, 112),), dynamo=True, opset_version=23,
                                input_names=["image"], dynamic_shapes=({0: torch.export.Dim("batch")},), verbose=False)
    program.save(tmp_path / "encoder.onnx")
    image = torch.rand(5, 3, 112, 112)
    answer, = Session(tmp_path / "encoder.onnx", "cpu").run({"image": image.numpy()}).values()
    with torch.no_grad():
        np.testing.assert_allclose(answer, encoder(image).numpy(), atol=1e-4)


def test_labels_are_what_posing_the_states_says(interactions, labels):
    for i in range(0, len(interactions), 5):
        state, model = interactions.state(i), interactions.object_model(i)
        posed = pose(default_body(), state.body)
        joints = posed.joints[:22]
        assert np.allclose(labels.joints[i], joints - joints[0], atol=1e-5)
        assert np.allclose(labels.pelvis[i], state.body.rotation, atol=1e-6)
        assert np.allclose(labels.turn[i], state.object.rotation, atol=1e-6)
        assert np.allclose(labels.place[i], state.object.translation - joints[0], atol=1e-5)
        camera = render(interactions, i).camera
        assert np.allclose(labels.pixels[i] * 224 + 112, camera.project(joints), atol=1e-2)
        assert np.allclose(labels.spot[i] * 224 + 112, camera.project(state.object.translation), atol=1e-2)
        thing = model.mesh.moved(state.object.rotation, state.object.translation)
        for k, names in enumerate(TOUCHING.values()):
            ids = np.concatenate([regions()[name].points for name in names])
            assert bool(labels.touch[i, k]) == bool(distance(posed.vertices[ids], thing).min() < CONTACT)


def test_a_cell_of_the_coarse_masks_is_who_has_a_third_of_it():
    masks = np.zeros((1, 8, 8), np.uint8)
    masks[0, :2, :3], masks[0, :4, 4:6], masks[0, 4:6, 4:6] = 1, 2, 1
    masks[0, :2, 4] = 1
    assert coarse(masks).tolist() == [[[1, 2], [0, 0]]]


def test_a_mirror_exchanges_sides_and_twice_changes_nothing(labels):
    image, flip = torch.rand(len(labels), 3, 112, 112), torch.arange(len(labels)) % 2 == 0
    seen, other = mirrored(image, labels, flip)
    again, same = mirrored(seen, other, flip)
    assert torch.equal(again, image) and torch.equal(seen[1], image[1])
    for name, value in vars(labels).items():
        assert torch.equal(getattr(same, name), value), name
    left, right = 20, 21  # wrists
    assert torch.equal(other.pixels[0, left], labels.pixels[0, right] * torch.tensor([-1, 1]))
    assert torch.equal(other.touch[0, :2], labels.touch[0, :2].flip(0))
    assert torch.allclose(torch.det(other.pelvis), torch.ones(len(labels)), atol=1e-5)
    # bones keep their lengths, and the pelvis still carries the hips it is turned with
    for k in (1, 2):
        rest = torch.from_numpy(default_body().joint_template[k] - default_body().joint_template[0])
        assert functional.cosine_similarity(other.joints[0, k], other.pelvis[0] @ rest, dim=0) > 0.95


def test_what_training_varies_stays_a_picture(labels):
    torch.manual_seed(0)
    image, _ = varied(torch.rand(len(labels), 3, 112, 112), labels, Settings("unused"))
    assert image.min() >= 0 and image.max() <= 1 and image.std() > 0.1


def test_the_truth_has_no_error_and_the_mean_has_some(labels):
    masks = functional.one_hot(labels.masks, 3).movedim(-1, 1).float()
    right = summary(errors_of(replace(labels, touch=labels.touch - 0.5, masks=masks), labels))
    assert right["joints_mm"] == right["place_mm"] == 0 and right["pelvis_degrees"] < 0.1
    assert right["person_iou"] == right["object_iou"] == 1
    mean = summary(errors_of(mean_of(labels, len(labels)), labels))
    assert mean["joints_mm"] > 50 and mean["pelvis_degrees"] > 30 and mean["person_iou"] < 0.8


def test_training_learns_and_goes_on_after_a_kill_bit_for_bit(states, tmp_path):
    short = Settings(str(states), str(tmp_path / "whole"), steps=12, batch=8, warm_up=2, validate_every=6,
                     save_every=6, threads=1, processes=1, bfloat16=False, device="cpu")
    result = train(short)
    log = (tmp_path / "whole" / "log.csv").read_text().splitlines()
    assert len(log) == 3 and (tmp_path / "whole" / "curves.png").stat().st_size > 1000
    assert set(result["validation"]) == set(result["mean of the training set"])
    with pytest.raises(InputError, match="other settings"):
        train(replace(short, batch=4))
    whole = checkpoint.load(tmp_path / "whole" / "last.pt", "image encoder")
    assert whole["log"][1]["masks"] < whole["log"][0]["masks"]

    class Killed(Exception):
        pass

    def killing(path, content, save=checkpoint.save):
        save(path, content)
        if path.name == "last.pt":
            raise Killed

    halves = replace(short, out=str(tmp_path / "halves"))
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr(checkpoint, "save", killing)
        train(halves)
    train(halves)
    for part in ("net", "reader"):
        other = checkpoint.load(tmp_path / "halves" / "last.pt", "image encoder")[part]
        assert all(torch.equal(value, other[name]) for name, value in whole[part].items())
    assert load_encoder(tmp_path / "halves" / "best.pt")(torch.rand(1, 3, 112, 112)).shape == (1, 16, 128)
