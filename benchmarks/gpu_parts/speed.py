"""Votes, transformations and bounds per second, on the device and beside it on the processor; and where the time goes."""

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import throughput
import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from gpu_parts.run import OutOfTimeError, Run
from spt.classifiers import Classifier, bundled_classifiers, load_classifier
from spt.datasets import load_dataset
from spt.error_bounds import Search, chord_bound, sample_bound
from spt.images import to_8_bit
from spt.inverse import invert
from spt.networks import FastInference
from spt.preprocessing import Preprocessing
from spt.received_bounds.bounds import received_bound
from spt.smoothing import SmoothedClassifier
from spt.threat_model import AttackedImage, ReceivedImage
from spt.transforms import Rotation, get_transform

ROTATION = Rotation()
CIRCLE = Preprocessing(vignette="circle", vignette_margin=2.0, blur_size=5, blur_scale=2.0)
RECEIVED_AT_MOST = 32
"""Side of the images whose received bound is measured: the larger ones take minutes on a processor."""


def measure(run: Run) -> None:
    """All tables of this part; short ones first."""
    end, missing = run.deadline, []
    for work, share in ((votes, 0.25), (transformations, 0.2), (bounds, 0.65), (profiles, 1.0)):
        run.deadline = end - (1 - share) * run.left
        try:
            work(run)
        except OutOfTimeError as error:
            missing.append(f"{work.__name__} ({error})")
        run.deadline = end
    if missing:
        raise OutOfTimeError(", ".join(missing))


# --------------------------------------------------------------------------------------------------------------- votes


def votes(run: Run) -> None:
    """Votes per second: bundled networks, and the shapes of ResNets with random weights."""
    rows = [["classifier", "image", "numbers", "network sees at once", "votes /s", "peak memory MiB"]]
    kinds: list[Callable[[], Classifier]] = [
        partial(load_classifier, name, run.device) for name in bundled_classifiers()
    ]
    kinds = kinds[:2] if run.rehearse else kinds
    for side, network in ((32, "resnet18"), (224, "resnet18"), (224, "resnet50")):
        for half in (False, True):
            kinds.append(partial(untrained, network, 16 if run.rehearse else side, half))
    for kind in kinds[:4] if run.rehearse else kinds:
        classifier = kind().to(run.device)
        transform = get_transform(classifier.transform or "rotation")
        sigma = classifier.parameter_sigma or transform.parameters[0].default_sigma
        smoothed = SmoothedClassifier(classifier, transform, sigma, classifier.pixel_sigma or 0.25)
        image = torch.rand(classifier.input_shape, generator=torch.Generator().manual_seed(0))
        n = classifier.chunk * (1 if run.rehearse else 4)
        reset_peak(run)
        seconds = run.seconds(
            partial(smoothed.count, image, n, torch.Generator().manual_seed(0)), 0.0 if run.rehearse else 1.0
        )
        shape = "×".join(map(str, classifier.input_shape))
        rows.append(
            [classifier.name, shape, classifier.number_format, str(classifier.chunk), f"{n / seconds:,.0f}", peak(run)]
        )
        run.table(
            "Votes per second", rows, "SmoothedClassifier.count: transformation, P, float64 pixel noise, network."
        )
        if run.left < 0:
            raise OutOfTimeError("not all classifiers were measured")


def untrained(network: str, side: int, half: bool) -> Classifier:
    """A network of torchvision with random weights, batch norm not folded, as a classifier of square images."""
    import torchvision.models

    torch.manual_seed(0)
    classes = 10 if side <= 32 else 1000
    module: nn.Module = getattr(torchvision.models, network)(num_classes=classes).eval()
    names = tuple(map(str, range(classes)))
    return Classifier(
        f"{network} (untrained)", FastInference(module, half), names, (3, side, side), CIRCLE, "rotation", 30.0, 0.25
    )


def reset_peak(run: Run) -> None:
    """Forget how much memory was used."""
    if run.on_gpu:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def peak(run: Run) -> str:
    """The most memory on the device since then."""
    return f"{torch.cuda.max_memory_allocated() / 2**20:,.0f}" if run.on_gpu else "–"


# ----------------------------------------------------------------------------------------------------- transformations


def transformations(run: Run) -> None:
    """Images transformed per second, beside torchvision and kornia on the same device."""
    shapes = {"28×28": (2000, 1, 28, 28), "3×32×32": (2000, 3, 32, 32), "3×224×224": (128, 3, 224, 224)}
    rows = [["case", "image", *(f"{name} /s" for name in throughput.NAMES)]]
    for name, shape in shapes.items():
        shape = (3, *shape[1:]) if run.rehearse else shape
        generator = torch.Generator().manual_seed(0)
        images = torch.rand(shape, generator=generator).to(run.device)
        angles = ROTATION.sample(shape[0], 30.0, generator).to(run.device)
        for case, contestants in throughput.cases(images, angles).items():
            rates = {}
            for who, work in contestants.items():
                with torch.inference_mode():
                    rates[who] = shape[0] / run.seconds(work, 0.0 if run.rehearse else 0.5)
            cells = [f"{rates[who]:,.0f}" if who in rates else "–" for who in throughput.NAMES]
            rows.append([f"{case}, N = {shape[0]}", name, *cells])
            run.table("Transformations per second", rows, "A dash: not installed. torchvision has no N angles at once.")
            if run.left < 0:
                raise OutOfTimeError("not all transformations were measured")


# -------------------------------------------------------------------------------------------------------------- bounds

Bound = Callable[..., Tensor]


def pictures(run: Run) -> dict[str, Tensor]:
    """A digit and a photograph in two sizes."""
    digit = load_dataset("digits").image(3)
    if run.rehearse:
        return {"14×14": nn.functional.avg_pool2d(digit[None], 2)[0]}
    photograph = load_dataset("natural", shape=(3, 224, 224)).image(1)
    small = load_dataset("natural", shape=(3, 32, 32)).image(1)
    return {"28×28": digit, "3×32×32": small, "3×224×224": photograph}


def cases(image: Tensor, rehearse: bool) -> dict[str, Bound]:
    """What is bounded, for images on any device; each takes a progress and gives what has to agree between devices."""
    side = image.shape[-1]
    count, reach = (3, 2.0) if rehearse else (50, 10.0) if side <= 32 else (1, 1.0)
    points = ROTATION.sample(count, 20.0, torch.Generator().manual_seed(0))
    reach_of_inverse = 1.0 if rehearse or side > 32 else 10.0
    received = to_8_bit(ROTATION(image, [0.3])[0])

    def inverse(x: Tensor, progress: Any, reach: float) -> Any:
        return invert(
            ReceivedImage(received.to(x.device), ROTATION, (-reach, reach)), width=0.1, refinements=2, progress=progress
        )

    def bound_of_received(x: Tensor, progress: Any) -> Tensor:
        found = inverse(x, progress, 0.5)
        return received_bound(found, CIRCLE, points[:3], progress=progress).values

    found: dict[str, Bound] = {
        f"chord bound, {count} β, ±{reach:g}°": lambda x, progress: (
            chord_bound(
                AttackedImage(x, ROTATION, CIRCLE, (-reach, reach)),
                points,
                progress=progress,
                search=Search(tolerance=0.05),
            ).values
        ),
        f"sample balls, {count} samples, ±{reach:g}°": lambda x, progress: (
            sample_bound(
                AttackedImage(x, ROTATION, CIRCLE, (-reach, reach)),
                points,
                progress=progress,
                search=Search(tolerance=0.05),
            ).values
        ),
        f"inverse, ±{reach_of_inverse:g}°, splits of 0.1°": lambda x, progress: (
            inverse(x, progress, reach_of_inverse).lower
        ),
    }
    if side <= RECEIVED_AT_MOST:
        found["received bound, 3 β, ±0.5°"] = bound_of_received
    return found


def bounds(run: Run) -> None:
    """The bounds on the device and on all threads of the processor, one after the other."""
    rows = [["bound", "image", f"{run.device} s", "processor s", "ratio", "largest difference", "peak memory MiB"]]
    for name, picture in pictures(run).items():
        for what, bound in cases(picture, run.rehearse).items():
            image = picture.to(run.device)
            if run.on_gpu:  # the first call loads kernels
                bound(image[:, :14, :14] if image.shape[-1] > 14 else image, run.until(20))
            reset_peak(run)
            taken, values = timed(run, run.device, partial(bound, image, run.until(run.left / 3)))
            memory = peak(run)
            beside, other = timed(run, "cpu", partial(bound, picture, run.until(run.left / 3)))
            same = values is not None and other is not None and values.shape == other.shape
            difference = f"{float((values.cpu() - other).abs().max()):.0e}" if same else "–"
            ratio = f"{beside / taken:.1f}" if taken and beside else "–"
            rows.append([what, name, *(f"{each:.2f}" if each else "too slow" for each in (taken, beside)), ratio])
            rows[-1] += [difference, memory]
            run.table("Bounds, device and processor", rows, f"{torch.get_num_threads()} threads of the processor.")
            if run.left < 0:
                raise OutOfTimeError("not all bounds were measured")


def timed(run: Run, device: str, work: Callable[[], Tensor]) -> tuple[float | None, Tensor | None]:
    """Seconds and result of one call; None where it takes too long."""
    import time

    start = time.perf_counter()
    try:
        values = work()
    except OutOfTimeError:
        return None, None
    run.wait(device)
    return time.perf_counter() - start, values


# ------------------------------------------------------------------------------------------------- where the time goes


def profiles(run: Run) -> None:
    """For each bound on the middle picture: operations that take longest, and how often the host waits for the device."""
    name, picture = list(pictures(run).items())[0 if run.rehearse else 1]
    rows = [["bound", "image", "rounds", "waits", "waits a round"]]
    for what, bound in cases(picture, run.rehearse).items():
        image, rounds = picture.to(run.device), 0

        def progress(steps: Any, desc: str = "", total: int = 0) -> Any:
            nonlocal rounds
            rounds += 1
            return run.until(60)(steps, desc, total)

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            if run.on_gpu:
                torch.cuda.set_sync_debug_mode("warn")
            try:
                bound(image, progress)
            finally:
                if run.on_gpu:
                    torch.cuda.set_sync_debug_mode("default")
        waits = sum("synchroniz" in str(each.message) for each in caught)
        each = f"{waits / max(1, rounds):.1f}" if run.on_gpu else "–"
        rows.append([what, name, str(rounds), str(waits) if run.on_gpu else "–", each])
        run.table("How often the host waits for the device", rows, "Rounds of the search (for the inverse: passes).")
        kinds = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if run.on_gpu else [])
        with profile(activities=kinds) as seen:
            bound(image, run.until(60))
            run.wait()
        order = "self_device_time_total" if run.on_gpu else "self_cpu_time_total"
        table = seen.key_averages().table(sort_by=order, row_limit=15, max_name_column_width=60)
        run.table(f"Where the time goes: {what}, {name}", [], f"```\n{table}\n```")
