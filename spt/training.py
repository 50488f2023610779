"""Training of base classifiers under the noise they will be smoothed with, and the model cards of what was trained.

Inputs are P T_beta x + eps with beta ~ N(0, parameter_sigma^2 I) and eps ~ N(0, pixel_sigma^2 I), drawn anew for every
image and epoch. Loss: cross-entropy plus consistency regularisation (Jeong and Shin, NeurIPS 2020): the answers to
two noisy copies of an image are pulled to their mean, which is what makes a smoothed classifier's vote unanimous.
Networks to be verified (`spt.verification`) train instead with the worst logits over a box, by interval arithmetic.
`Recipe.adversarial_radius` trains on the worst of what an attack finds nearby under the same noise (SmoothAdv, Salman et al.,
NeurIPS 2019): what a vote over pixel noise stands is certified as a ball, and this makes the balls larger.

On a GPU images, augmentation, noise and transformations are there, and the host waits for it once an epoch, not once a step.
"""

import hashlib
import io
import json
import math
import platform
import time
from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from spt import faults
from spt.classifiers import MODELS_FOLDER, Classifier, forget_loaded, load_classifier
from spt.networks import Residual, StridedNet, build_network, fuse_batch_norm
from spt.noise import GRID, snap
from spt.progress import Progress, silent
from spt.recipes import Recipe
from spt.transforms import get_transform
from spt.whole_files import write_together, write_whole


def augmented(recipe: Recipe, images: Tensor, generator: torch.Generator) -> Tensor:
    """Images (N, C, H, W), mirrored and shifted at random as the recipe says, each on its own."""
    count, device = len(images), images.device
    if recipe.flip:
        mirrored = torch.rand(count, generator=generator).to(device, non_blocking=True) < 0.5
        images = torch.where(mirrored[:, None, None, None], images.flip(-1), images)
    if recipe.crop:
        height, width = images.shape[-2:]
        padded = functional.pad(images, (recipe.crop,) * 4, mode="reflect")
        corners = torch.randint(2 * recipe.crop + 1, (2, count, 1), generator=generator)
        rows, columns = (corners + torch.arange(max(height, width))).to(device, non_blocking=True)
        which = torch.arange(count, device=device)[:, None, None]
        images = padded[which, :, rows[:, :height, None], columns[:, None, :width]].permute(0, 3, 1, 2)
    return images


def noisy_inputs(recipe: Recipe, images: Tensor, generator: torch.Generator) -> Tensor:
    """P T_beta x + eps for every image of (N, C, H, W), fresh noise for each; what the network is shown."""
    if recipe.transform is not None and recipe.parameter_sigma > 0:
        transform = get_transform(recipe.transform)
        images = transform(images, transform.sample(len(images), recipe.parameter_sigma, generator))
    inputs = recipe.preprocessing(images)
    if recipe.pixel_sigma > 0:
        noise_generator = torch.Generator(images.device)
        noise_generator.manual_seed(int(torch.randint(1 << 62, (), generator=generator)))
        noise = torch.randn(inputs.shape, generator=noise_generator, device=inputs.device)
        inputs = inputs + recipe.pixel_sigma * noise
    return inputs


def train(
    recipe: Recipe,
    images: Tensor,
    labels: Tensor,
    device: str = "cpu",
    checkpoint: Path | None = None,
    progress: Progress = silent,
    checkpoint_seconds: float = 60.0,
    kept: Callable[[Path], None] | None = None,
) -> nn.Module:
    """Train ``recipe`` on float images (N, C, H, W) in [0, 1] with int64 labels (N,); returns the averaged network.

    With ``checkpoint`` the state is written there after each epoch, and within one every ``checkpoint_seconds`` (to a
    temporary name, then renamed), and a run that was stopped goes on from it, on this or another device; ``kept`` is
    called with its path each time. Progress is a tqdm-shaped callable over epochs; silent by default.
    """
    generator = torch.Generator().manual_seed(recipe.seed)
    torch.manual_seed(recipe.seed)
    module = build_network(**recipe.network).to(device).to(memory_format=torch.channels_last)
    average = Average(module, recipe.average)
    steps = math.ceil(len(images) / recipe.batch_size)
    optimizer = torch.optim.AdamW(module.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.learning_rate, total_steps=steps * recipe.epochs, pct_start=0.15
    )
    images, labels = images.to(device), labels.to(device)
    state = {"module": module, "average": average, "optimizer": optimizer, "schedule": schedule}
    first, done, at_start = _resume(state, generator, checkpoint, recipe)
    last = recipe.epochs + recipe.finishing_epochs
    epochs: Iterable[int] = range(first, last)
    saved = time.monotonic()

    def save(epoch: int, step: int = 0, at_start: Tensor | None = None) -> None:
        nonlocal saved
        if checkpoint is not None:
            _save(state, generator, checkpoint, recipe, epoch, step, at_start)
            saved = time.monotonic()
            if kept is not None:
                kept(checkpoint)

    for epoch in progress(epochs, desc=recipe.name, total=last - first):
        module.train()
        now, at_start = (None, generator.get_state()) if at_start is None else (generator.get_state(), at_start)
        order = torch.randperm(len(images), generator=generator.set_state(at_start)).to(device)
        if now is not None:  # in the middle of this epoch
            generator.set_state(now)
        worst = torch.zeros((), device=images.device)
        for step, batch in enumerate(torch.split(order, recipe.batch_size)):
            if step < done:
                continue
            share = min(1.0, 2 * (epoch + step / steps) / recipe.epochs)
            loss = _loss(recipe, module, images[batch], labels[batch], generator, share)
            worst = torch.maximum(worst, loss.detach())  # NaN stays NaN
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            if epoch < recipe.epochs:
                schedule.step()
            else:
                _finish(recipe, optimizer, epoch - recipe.epochs + (step + 1) / steps)
            average.update(module)
            if checkpoint is not None and step + 1 < steps and time.monotonic() - saved >= checkpoint_seconds:
                _refuse_nan(recipe, worst, epoch)
                save(epoch, step + 1, at_start)
        _refuse_nan(recipe, worst, epoch)
        done, at_start = 0, None
        save(epoch + 1)
    trained = average.module
    return (trained.half().float() if recipe.half_weights else trained).eval()


def _refuse_nan(recipe: Recipe, worst: Tensor, epoch: int) -> None:
    """ValueError if a loss was not a number; asked where the host waits for the device anyway."""
    if worst.isnan():
        raise ValueError(f"The loss of {recipe.name} became NaN in epoch {epoch + 1}: lower its learning_rate.")


def _finish(recipe: Recipe, optimizer: torch.optim.Optimizer, epochs_done: float) -> None:
    """Set the learning rate for what follows when that many of the finishing epochs are done."""
    fraction = epochs_done / recipe.finishing_epochs
    for group in optimizer.param_groups:
        group["lr"] = recipe.finishing_rate * (1 + math.cos(math.pi * fraction)) / 2


class Average:
    """The exponential average of a network's weights and statistics, which forgets the first steps faster.

    Attributes:
        module: the averaged network; decay: how much of it stays at each update; count: updates so far.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.module, self.decay, self.count = deepcopy(module), decay, 0

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Take a step's network in; all its tensors in a few calls, and nothing that a device would be waited for."""
        decay = min(self.decay, (1 + self.count) / (10 + self.count)) if self.count else 0.0
        pairs = list(zip(self.module.state_dict().values(), module.state_dict().values(), strict=True))
        floating = [pair for pair in pairs if pair[0].is_floating_point()]
        old, new = (list(values) for values in zip(*floating, strict=True))
        torch._foreach_lerp_(old, new, 1 - decay)
        for mine, other in pairs:
            if not mine.is_floating_point():  # batch norm counts its batches
                mine.copy_(other)
        self.count += 1

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"module": self.module.state_dict(), "count": self.count}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """From a checkpoint."""
        self.module.load_state_dict(state["module"])
        self.count = state["count"]


def _loss(
    recipe: Recipe, module: nn.Module, images: Tensor, labels: Tensor, generator: torch.Generator, share: float = 0.0
) -> Tensor:
    """The loss of a batch; ``share`` of box_radius and adversarial_radius is trained."""
    copies = 2 if recipe.consistency > 0 else 1
    images = augmented(recipe, images, generator)
    inputs = torch.cat([noisy_inputs(recipe, images, generator) for _ in range(copies)])
    if recipe.adversarial_radius > 0 and share > 0:
        inputs = attacked(
            module, inputs, labels.repeat(copies), share * recipe.adversarial_radius, recipe.adversarial_steps
        )
    logits = _logits(module, inputs)
    log_probabilities = functional.log_softmax(logits, dim=1)
    loss = functional.nll_loss(log_probabilities, labels.repeat(copies))
    if copies > 1:
        stacked = log_probabilities.reshape(copies, len(images), -1)
        mean = stacked.exp().mean(dim=0).clamp(min=1e-8)
        divergence = (mean * (mean.log() - stacked)).sum(dim=-1).mean()
        loss = loss + recipe.consistency * divergence
    if recipe.box_radius > 0 and share > 0:
        ceiling = recipe.preprocessing(torch.ones_like(images[:1]))
        loss = loss + box_loss(module, inputs, labels.repeat(copies), share * recipe.box_radius, ceiling)
    return loss


def _logits(module: nn.Module, inputs: Tensor) -> Tensor:
    with torch.autocast(inputs.device.type, torch.bfloat16):
        logits: Tensor = module(inputs.contiguous(memory_format=torch.channels_last))
    return logits.float()


def attacked(module: nn.Module, inputs: Tensor, labels: Tensor, radius: float, steps: int) -> Tensor:
    """P T_beta x + eps with P T_beta x moved by at most ``radius``, where the network errs more under the same eps.

    Projected gradient ascent on the cross-entropy of the noisy input, eps held fixed: SmoothAdv with one noise sample for
    each image and beta. Batch norm takes its remembered statistics here and learns nothing from it.
    """
    shift = torch.zeros_like(inputs)
    training = module.training
    module.eval()
    for _ in range(steps):
        shift.requires_grad_()
        loss = functional.cross_entropy(_logits(module, inputs + shift), labels, reduction="sum")
        (slope,) = torch.autograd.grad(loss, shift)
        shift = shift.detach() + (2 * radius / steps) * _unit(slope)
        shift = shift * (radius / _norms(shift)).clamp(max=1)
    module.train(training)
    return inputs + shift


def _norms(images: Tensor) -> Tensor:
    norms: Tensor = torch.linalg.vector_norm(images, dim=(1, 2, 3), keepdim=True)
    return norms.clamp(min=1e-12)


def _unit(images: Tensor) -> Tensor:
    return images / _norms(images)


def box_loss(module: nn.Module, inputs: Tensor, labels: Tensor, radius: float, ceiling: Tensor) -> Tensor:
    """Cross-entropy of the worst logits that interval arithmetic allows in boxes around ``inputs``, within [0, ceiling].

    Batch norm takes the statistics of ``inputs`` themselves and remembers nothing. The last layer bounds each margin to
    the label as one linear function. Source: Gowal et al., On the Effectiveness of Interval Bound Propagation (2018).
    """
    if not isinstance(module, StridedNet):
        raise ValueError(f"box_radius needs the architecture 'strided', but the network is a {type(module).__name__}.")
    lower, upper = (inputs - radius).clamp(min=0), torch.minimum(inputs + radius, ceiling)
    _, centre, spread = _box_through(module.features, inputs, (lower + upper) / 2, (upper - lower) / 2)
    weight, bias = module.classify.weight, module.classify.bias
    logits = functional.linear(centre.flatten(1), weight, bias)
    spreads = functional.linear(spread.flatten(1), (weight - weight[:, None]).abs().flatten(0, 1))  # of all margins
    rows = torch.arange(len(labels), device=labels.device)
    return functional.cross_entropy(logits + spreads.reshape(-1, *bias.shape, *bias.shape)[rows, labels], labels)


def _box_through(layer: nn.Module, points: Tensor, centre: Tensor, spread: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What becomes of points, and of boxes centre ± spread, in one layer."""
    if isinstance(layer, nn.Sequential):
        for part in layer:
            points, centre, spread = _box_through(part, points, centre, spread)
    elif isinstance(layer, Residual):
        inner = _box_through(layer.block, points, centre, spread)
        points, centre, spread = points + inner[0], centre + inner[1], spread + inner[2]
    elif isinstance(layer, nn.Conv2d):
        points, centre = layer(points), layer(centre)
        spread = functional.conv2d(spread, layer.weight.abs(), None, layer.stride, layer.padding)
    elif isinstance(layer, nn.BatchNorm2d):
        variance, mean = torch.var_mean(points, dim=(0, 2, 3), correction=0, keepdim=True)
        scale = layer.weight[:, None, None] / (variance + layer.eps).sqrt()
        shift = layer.bias[:, None, None] - mean * scale
        points, centre, spread = points * scale + shift, centre * scale + shift, spread * scale.abs()
    else:  # ReLU
        lower, upper = functional.relu(centre - spread), functional.relu(centre + spread)
        points, centre, spread = functional.relu(points), (lower + upper) / 2, (upper - lower) / 2
    return points, centre, spread


def _save(
    state: dict[str, Any],
    generator: torch.Generator,
    path: Path,
    recipe: Recipe,
    epoch: int,
    step: int = 0,
    at_start: Tensor | None = None,
) -> None:
    """Write where training stands: before a step of an epoch, and with what the generator began that epoch."""
    record = {key: value.state_dict() for key, value in state.items()}
    record |= {"generator": generator.get_state(), "recipe": repr(recipe), "epoch": epoch}
    record |= {"step": step, "generator_at_start": at_start}
    path.parent.mkdir(parents=True, exist_ok=True)
    content = io.BytesIO()
    torch.save(record, content)
    write_whole(path, content.getvalue())


def _resume(
    state: dict[str, Any], generator: torch.Generator, path: Path | None, recipe: Recipe
) -> tuple[int, int, Tensor | None]:
    """Epoch and step to go on with, and with what the generator began this epoch if it was begun."""
    if path is None or not path.is_file():
        return 0, 0, None
    try:
        record = torch.load(path, map_location="cpu", weights_only=True)
        belongs = record["recipe"] == repr(recipe)
    except Exception as error:  # what torch raises on other bytes is open-ended
        if faults.out_of_memory(error):
            raise
        raise ValueError(f"The checkpoint {path} is damaged, or is none: remove it or name another.") from error
    if not belongs:
        raise ValueError(f"The checkpoint {path} belongs to other settings: remove it or name another.")
    for key, value in state.items():
        value.load_state_dict(record[key])
    generator.set_state(record["generator"])
    return int(record["epoch"]), int(record["step"]), record["generator_at_start"]


@torch.inference_mode()
def accuracy(recipe: Recipe, module: nn.Module, images: Tensor, labels: Tensor, seed: int, draws: int = 1) -> float:
    """Share of (image, noise) pairs that ``module`` classifies correctly under the noise of ``recipe``, rounded to f's grid."""
    generator = torch.Generator().manual_seed(seed)
    correct = 0
    for _ in range(draws):
        for part, truth in zip(torch.split(images, 500), torch.split(labels, 500), strict=True):
            logits = module(snap(noisy_inputs(recipe, part, generator)))
            if logits.isnan().any():
                raise ValueError(
                    f"{recipe.name} answers NaN for {int(logits.isnan().any(1).sum())} of {len(part)} images."
                )
            correct += int((logits.argmax(1) == truth).sum())
    return correct / (draws * len(images))


def write_classifier(
    recipe: Recipe, module: nn.Module, class_names: list[str], measured: dict[str, Any], folder: Path = MODELS_FOLDER
) -> Classifier:
    """Write ``<name>.safetensors`` and its card ``<name>.json`` to ``folder`` and load the result."""
    from safetensors.torch import save

    folder.mkdir(parents=True, exist_ok=True)
    stored = deepcopy(module).cpu()
    state = (stored.half() if recipe.half_weights else stored).state_dict()
    weights = save({key: value.contiguous() for key, value in state.items()})
    card = asdict(recipe) | {
        "grid": GRID,
        "class_names": class_names,
        "input_shape": measured["input_shape"],
        "command": f"python -m spt train {recipe.name}",
        "accuracy": {key: value for key, value in measured.items() if key != "input_shape"},
        "torch": torch.__version__.split("+")[0],
        "machine": platform.machine(),
        "sha256": hashlib.sha256(weights).hexdigest(),
    }
    described = json.dumps(card, indent=2) + "\n"
    write_together({folder / f"{recipe.name}.safetensors": weights, folder / f"{recipe.name}.json": described})
    forget_loaded()
    return (
        load_classifier(recipe.name)
        if folder == MODELS_FOLDER
        else Classifier(
            name=recipe.name,
            module=fuse_batch_norm(deepcopy(module)),
            class_names=tuple(class_names),
            input_shape=tuple(card["input_shape"]),
            preprocessing=recipe.preprocessing,
            transform=recipe.transform,
            parameter_sigma=recipe.parameter_sigma,
            pixel_sigma=recipe.pixel_sigma,
        )
    )


def measure(recipe: Recipe, module: nn.Module, images: Tensor, labels: Tensor) -> dict[str, Any]:
    """Accuracies of a card, on float test images: clean, with parameter noise, with both noises; float32, bfloat16."""
    noiseless = replace(recipe, parameter_sigma=0.0, pixel_sigma=0.0)
    geometric = replace(recipe, pixel_sigma=0.0)
    draws = 1 if recipe == noiseless else 5
    result: dict[str, Any] = {"input_shape": list(images.shape[1:]), "test_images": len(images)}
    for precision, half in (("float32", False), ("bfloat16", True)):
        fast = fuse_batch_norm(deepcopy(module), half)
        result[precision] = {
            "clean": accuracy(noiseless, fast, images, labels, seed=1),
            "parameter_noise": accuracy(geometric, fast, images, labels, seed=2, draws=draws),
            "parameter_and_pixel_noise": accuracy(recipe, fast, images, labels, seed=3, draws=draws),
        }
    return result
