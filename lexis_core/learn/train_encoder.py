"""Train the image encoder on rendered views: python -m lexis_core.learn.train_encoder --states FILE --out FOLDER

Killed, it goes on from its last checkpoint when started again with the same settings; what is random in a step follows
from the seed and the step alone. FOLDER gets last.pt, best.pt (by validation), log.csv, curves.png and report.json.
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from lexis_core.errors import InputError
from lexis_core.learn import checkpoint
from lexis_core.learn.encoder_labels import TOUCHING, Labels, labels_of, mirrored
from lexis_core.learn.encoder_report import CURVES, errors_of, summary
from lexis_core.learn.image_encoder import GRID, KIND, SIDE, ImageEncoder, load_encoder, packed
from lexis_core.learn.kinematics import POSED, rotation_from_sixd
from lexis_core.learn.run import check_finite, resumed, write_log
from lexis_core.learn.settings import from_command_line
from lexis_core.learn.views import views
from lexis_core.synthetic.states import SPLITS, load

# of a run that goes on
MAY_CHANGE = {"out", "steps", "minutes", "processes", "threads", "device", "validate_every", "save_every"}
CELLS = SIDE // 4 // GRID  # cells of the coarse masks along a token


@dataclass(frozen=True)
class Settings:
    states: str                 # a file of lexis_core.synthetic
    out: str = "runs/encoder"
    variants: int = 1           # how many sets of pictures of the interactions, each in other clothes, light, places
    steps: int = 4000
    minutes: float = 0.0        # not 0: the run, and its learning rate with it, ends after so long instead
    batch: int = 64
    learning_rate: float = 2e-3
    warm_up: int = 200          # steps of rising learning rate
    weight_decay: float = 0.05
    clip: float = 1.0           # of the gradient's norm
    mirror: float = 0.5         # share of pictures seen in a mirror
    bright: float = 0.25        # spread of brightness, contrast and each colour, beyond what the pictures have
    joint_weight: float = 5.0   # on metres
    pixel_weight: float = 5.0   # on crop sides
    place_weight: float = 3.0   # on metres
    turn_weight: float = 0.5    # on the length of a difference of rotations; the object's has a third of it
    touch_weight: float = 0.3
    mask_weight: float = 1.0
    validate_every: int = 250
    validation_rows: int = 1000 # at most; the report at the end takes all
    save_every: int = 250
    seed: int = 0
    processes: int = 2          # that render the views the first time
    threads: int = 0            # of torch; 0: its own choice
    bfloat16: bool = True       # --no-bfloat16 for a CPU without instructions for it
    device: str = "auto"        # cuda where there is one


class Reader(nn.Module):
    """Reads Labels from tokens (B, 16, width). Only training has it: what it can read, the tokens hold."""

    def __init__(self, width: int, count: int):
        super().__init__()
        self.sizes = [3 * POSED, 2 * POSED, 6, 6, 3, 2, len(TOUCHING)]
        self.whole = nn.Sequential(nn.Linear(width * count, 256), nn.GELU(), nn.Linear(256, sum(self.sizes)))
        self.cells = nn.Linear(width, 3 * CELLS**2)

    def forward(self, tokens: Tensor) -> Labels:
        """Labels as far as they are seen: rotations made proper, touch as log odds, masks as logits (B, 3, 28, 28)."""
        joints, pixels, pelvis, turn, place, spot, touch = self.whole(tokens.flatten(1)).float().split(self.sizes, 1)
        joints = joints.unflatten(1, (POSED, 3))
        masks = self.cells(tokens).reshape(-1, GRID, GRID, 3, CELLS, CELLS).permute(0, 3, 1, 4, 2, 5)
        return Labels(joints - joints[:, :1], pixels.unflatten(1, (POSED, 2)), rotation_from_sixd(pelvis),
                      rotation_from_sixd(turn), place, spot, touch, masks.flatten(4).flatten(2, 3).float())


class Pictures:
    """Views of one split with their labels; pictures stay on disk."""

    def __init__(self, s: Settings, split: str, variants: int):
        interactions = load(s.states)
        rows = np.flatnonzero(interactions.split == SPLITS.index(split))
        seen = [views(s.states, processes=s.processes, variant=k) for k in range(variants)]
        self.files, self.row = [known.image for known in seen], rows
        pieces = [labels_of(interactions.take(rows), known.camera[rows], known.masks[rows]) for known in seen]
        self.labels = Labels(*(torch.cat(parts) for parts in zip(*(vars(p).values() for p in pieces), strict=True)))

    def __len__(self) -> int:
        return len(self.row) * len(self.files)

    def at(self, chosen: Tensor) -> tuple[Tensor, Labels]:
        """(B, 3, 112, 112) in 0..1 and labels, of these of all the pictures."""
        found = np.empty((len(chosen), SIDE, SIDE, 3), np.uint8)
        for k, i in enumerate(chosen.tolist()):
            found[k] = self.files[i // len(self.row)][self.row[i % len(self.row)]]
        return torch.from_numpy(found).permute(0, 3, 1, 2).float() / 255, self.labels.rows(chosen)


def varied(image: Tensor, labels: Labels, s: Settings) -> tuple[Tensor, Labels]:
    """Pictures and labels as training sees them: some in a mirror, all in another light; by torch's random numbers."""
    count = len(image)
    image, labels = mirrored(image, labels, torch.rand(count) < s.mirror)
    gain = (s.bright * (torch.randn(count, 1, 1, 1) + 0.4 * torch.randn(count, 3, 1, 1))).exp()
    middle = 0.5 + 0.3 * s.bright * torch.randn(count, 1, 1, 1)
    contrast = (0.7 * s.bright * torch.randn(count, 1, 1, 1)).exp()
    return ((image * gain - 0.5) * contrast + middle).clamp(0, 1), labels


def losses(s: Settings, read: Labels, truth: Labels) -> dict[str, Tensor]:
    """Each term of the loss with its weight in it."""

    def apart(a: Tensor, b: Tensor) -> Tensor:
        return ((a - b).square().sum(-1) + 1e-6).sqrt().mean()

    near = truth.pixels.clamp(-1, 1), truth.spot.clamp(-1, 1)  # what lies far outside the crop cannot be seen
    return {
        "joints": s.joint_weight * apart(read.joints, truth.joints),
        "pixels": s.pixel_weight * (apart(read.pixels, near[0]) + apart(read.spot, near[1])),
        "place": s.place_weight * apart(read.place, truth.place),
        "turn": s.turn_weight * (apart(read.pelvis.flatten(1), truth.pelvis.flatten(1))
                                 + apart(read.turn.flatten(1), truth.turn.flatten(1)) / 3),
        "touch": s.touch_weight * functional.binary_cross_entropy_with_logits(read.touch, truth.touch),
        "masks": s.mask_weight * functional.cross_entropy(read.masks, truth.masks),
    }


def rate_at(step: int, done: float, s: Settings) -> float:
    """Rises over warm_up steps, then falls along a cosine of the share of the run that is done to a hundredth."""
    return s.learning_rate * min((step + 1) / s.warm_up, 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done)))


def share_done(s: Settings, step: int, seconds: float) -> float:
    return seconds / (60 * s.minutes) if s.minutes else step / s.steps


@torch.no_grad()
def read_all(encoder: nn.Module, reader: Reader, pictures: Pictures, rows: int, device: str) -> tuple[Labels, Labels]:
    """What is read of at most so many pictures, spread evenly, and the truth."""
    was_training = encoder.training
    encoder.eval()
    chosen = torch.arange(0, len(pictures), max(1, -(-len(pictures) // rows)))
    found = []
    for some in chosen.split(128):
        read = reader(encoder(pictures.at(some)[0].to(device)))
        found.append([value.cpu() for value in vars(read).values()])
    encoder.train(was_training)
    return Labels(*(torch.cat(parts) for parts in zip(*found, strict=True))), pictures.labels.rows(chosen)


def train(s: Settings) -> dict:
    """Train, and return what report.json holds. Raises InputError for bad settings, files, or numbers in a batch."""
    out, device = Path(s.out), s.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if s.threads:
        torch.set_num_threads(s.threads)
    data, held = Pictures(s, "train", s.variants), Pictures(s, "validation", 1)
    if not len(data) or not len(held):
        raise InputError(f"Nothing can be learned from {s.states}.", "It lacks training or validation interactions.",
                         "Make a larger set.")
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(s.seed)
    encoder = ImageEncoder().to(device, memory_format=torch.channels_last)
    reader = Reader(encoder.width, encoder.tokens).to(device)
    both = nn.ModuleList([encoder, reader])
    optimiser = torch.optim.AdamW(both.parameters(), s.learning_rate, (0.9, 0.99), weight_decay=s.weight_decay)
    step, spent, best, log = 0, 0.0, math.inf, []
    last = resumed(out, KIND, s, MAY_CHANGE, device)
    if last is not None:
        encoder.load_state_dict(last["net"])
        reader.load_state_dict(last["reader"])
        optimiser.load_state_dict(last["optimiser"])
        step, spent, best, log = last["step"], last["spent"], last["best"], last["log"]

    count = sum(parameter.numel() for parameter in encoder.parameters()) / 1e6
    print(f"image encoder, {count:.2f} M parameters, on {device}; "
          f"{len(data):,} train, {len(held):,} validation pictures", flush=True)
    before, first, began = spent, step, time.monotonic() - spent
    done = share_done(s, step, spent)
    while done < 1:
        torch.manual_seed((s.seed << 32) + step)
        for group in optimiser.param_groups:
            group["lr"] = rate_at(step, done, s)
        image, truth = varied(*data.at(torch.randint(len(data), (s.batch,))), s)
        image, truth = image.to(device, memory_format=torch.channels_last), on(truth, device)
        with torch.autocast(device, torch.bfloat16, enabled=s.bfloat16):
            read = reader(encoder(image))
        terms = losses(s, read, truth)
        loss = torch.stack(list(terms.values())).sum()
        check_finite(loss, step)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(both.parameters(), s.clip)
        optimiser.step()
        step, spent = step + 1, time.monotonic() - began
        done = share_done(s, step, spent)

        if step % s.validate_every == 0 or done >= 1:
            read, truth = read_all(encoder, reader, held, s.validation_rows, device)
            found = summary(errors_of(read, truth))
            score = torch.stack(list(losses(s, read, truth).values())).sum().item()
            row = {"step": step, "seconds": round(spent, 1), "validation_loss": score}
            log.append(row | {name: term.item() for name, term in terms.items()} | found)
            if score < best:
                best = score
                checkpoint.save(out / "best.pt", packed(encoder) | {
                    "reader": reader.state_dict(), "settings": asdict(s), "step": step, "validation": found})
            write_log(out, log, CURVES)
            print(f"step {step:,}, {s.batch * (step - first) / (spent - before + 1e-9):.0f} pictures a second, "
                  f"loss {loss.item():.3f}; validation {score:.3f}: "
                  + ", ".join(f"{k} {v:.3g}" for k, v in found.items()), flush=True)
        if step % s.save_every == 0 or done >= 1:
            checkpoint.save(out / "last.pt", packed(encoder) | {
                "reader": reader.state_dict(), "optimiser": optimiser.state_dict(), "settings": asdict(s),
                "step": step, "spent": spent, "best": best, "log": log})
    return report(s, out, data, held, device)


def report(s: Settings, out: Path, data: Pictures, held: Pictures, device: str) -> dict:
    """Errors of best.pt over all validation pictures, beside those of always saying the training set's mean."""
    encoder = load_encoder(out / "best.pt", device)
    reader = Reader(encoder.width, encoder.tokens).to(device)
    reader.load_state_dict(checkpoint.load(out / "best.pt", KIND, device)["reader"])
    read, truth = read_all(encoder, reader, held, 1 << 30, device)
    result = {"settings": asdict(s), "validation": summary(errors_of(read, truth)),
              "mean of the training set": summary(errors_of(mean_of(data.labels, len(truth)), truth))}
    for name in ("validation", "mean of the training set"):
        print(f"{name}: " + ", ".join(f"{k} {v:.4g}" for k, v in result[name].items()))
    (out / "report.json").write_text(json.dumps(result, indent=1))
    return result


def mean_of(labels: Labels, count: int) -> Labels:
    """The same answer count times: means of places, the mean rotation, the commoner of touch and of each cell."""
    means = {name: getattr(labels, name).mean(0) for name in ("joints", "pixels", "place", "spot")}
    for name in ("pelvis", "turn"):
        u, _, v = torch.linalg.svd(getattr(labels, name).mean(0))
        means[name] = u @ torch.diag(torch.tensor([1.0, 1.0, float(torch.det(u @ v))])) @ v
    means["touch"] = torch.logit(labels.touch.mean(0), 1e-4)
    means["masks"] = torch.stack([(labels.masks == k).float().mean(0) for k in range(3)])
    return Labels(**{name: value.expand(count, *value.shape) for name, value in means.items()})


def on(labels: Labels, device: str) -> Labels:
    return replace(labels, **{name: value.to(device) for name, value in vars(labels).items()})


if __name__ == "__main__":
    train(from_command_line(Settings, "Train the image encoder. What each setting means: the head of this file."))
