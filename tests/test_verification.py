"""Deterministic verification: bounds that no sample leaves (zero tolerance), what is never verified, and what always is."""

import dataclasses
import itertools
import json
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from spt.classifiers import Classifier
from spt.datasets import load_dataset
from spt.images import to_8_bit
from spt.networks import Residual, StridedNet, fuse_batch_norm
from spt.noise import snap
from spt.preprocessing import Preprocessing
from spt.recipes import Recipe
from spt.threat_model import AttackedImage
from spt.training import box_loss, train
from spt.transforms import Rotation, Transform, Translation, get_transform
from spt.verification import (
    LineEnclosure,
    Splitting,
    enclose,
    forward,
    in_float32,
    least,
    margin_bounds,
    read_network,
    verify,
)
from spt.verification.network import Rows
from spt.verification.search import _first_splits
from tests import oracles

SEEDS = st.integers(0, 10**6)
ROTATION = Rotation()


def random_network(seed: int, residual: bool, channels: int = 1, classes: int = 3) -> nn.Sequential:
    """For images of channels x 6 x 7."""
    torch.manual_seed(seed)
    middle = [nn.Conv2d(4, 4, 3, padding=1), nn.ReLU()]
    if residual:
        middle = [Residual(nn.Sequential(*middle, Residual(nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU()))))]
    network = nn.Sequential(
        *[nn.Conv2d(channels, 4, 3, stride=2, padding=1), nn.ReLU(), *middle, nn.Conv2d(4, 4, 3, groups=2, dilation=1)],
        *[nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, classes)],
    )
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.6)
    return network.eval()


def random_tubes(seed: int, size: float, count: int = 3) -> tuple[LineEnclosure, Tensor, Tensor]:
    """Tubes around lines of 6 x 7 images, points of each (count, 200, 1, 6, 7), and where on the line each of them is."""
    generator = torch.Generator().manual_seed(seed)
    shape = (count, 1, 6, 7)
    start, stop = (torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(2))
    stop = start + size * (stop - start)
    radius = size * torch.rand(shape, generator=generator, dtype=torch.float64)
    # numbers of few digits, so that float32 holds the points exactly and all sums here are exact
    start, stop, radius = ((part * 256).round() / 256 for part in (start, stop, radius))
    enclosure = LineEnclosure(
        start, stop, radius, torch.minimum(start, stop) - radius, torch.maximum(start, stop) + radius
    )
    t = torch.randint(0, 17, (count, 200, 1, 1, 1), generator=generator) / 16.0
    t[:, :50] = t[:, :50].round()
    off = torch.randint(-16, 17, (count, 200, 1, 6, 7), generator=generator) / 16.0
    off[:, ::2] = off[:, ::2].sign()
    line = start[:, None] + t * (stop - start)[:, None]
    return enclosure, line + off * radius[:, None], t


def evaluations(network: nn.Module, points: Tensor) -> list[Tensor]:
    """Outputs (count, 200, classes) computed in float64, in float32, and in float32 with channels last."""
    flat = points.flatten(0, 1)
    with torch.inference_mode():
        found = [network(flat.float()), network(flat.float().contiguous(memory_format=torch.channels_last))]
        found.append(network.double()(flat))
        network.float()
    return [output.double().reshape(*points.shape[:2], -1) for output in found]


LAYERS = {
    "linear": lambda: nn.Sequential(nn.Flatten(), nn.Linear(42, 5)),
    "convolution": lambda: nn.Conv2d(1, 3, 3, stride=2, padding=1),
    "wide convolution": lambda: nn.Conv2d(1, 2, (2, 3), stride=(2, 1), padding=(1, 2), dilation=(3, 1), bias=False),
    "relu": lambda: nn.ReLU(),
    "flatten": lambda: nn.Flatten(),
    "residual": lambda: Residual(nn.Conv2d(1, 1, 3, padding=1)),
    "residual with relu": lambda: Residual(nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), nn.ReLU())),
    "opposite residual": lambda: nn.Sequential(nn.ReLU(), Residual(nn.Identity())),
}


class TestSoundness:
    @given(SEEDS, st.booleans(), st.sampled_from([0.0, 0.01, 0.1, 1.0]), st.booleans(), st.booleans())
    def test_no_output_leaves_the_bounds(self, seed, residual, size, refine, plain):
        network = random_network(seed, residual)
        enclosure, points, _ = random_tubes(seed, size)
        layers = read_network(network)
        last, steps = forward(
            layers, LineEnclosure.box(enclosure.lower, enclosure.upper) if plain else enclosure, refine=refine
        )
        rows = torch.randn(3, 5, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        bounds = [least(steps, rows, last, backward=backward) for backward in (False, True)]
        for outputs in evaluations(network, points):
            assert (outputs >= last.lower[:, None]).all() and (outputs <= last.upper[:, None]).all()
            functions = outputs @ rows.transpose(1, 2)
            # the sum of the three products itself is rounded here
            functions = functions + 1e-15 * (outputs.abs() @ rows.abs().transpose(1, 2))
            for bound in bounds:
                assert (functions >= bound[:, None]).all()

    @given(SEEDS, st.sampled_from(sorted(LAYERS)), st.sampled_from([0.0, 0.1, 1.0]))
    def test_every_step_holds_at_every_point(self, seed, kind, size):
        """Forward: the output is in the box, and near the line at the point's own t. Backward: the pulled back functions
        are below the functions at each point, not only at the least one."""
        torch.manual_seed(seed)
        layer = LAYERS[kind]().double()
        for parameter in layer.parameters():
            parameter.data = (64 * torch.randn_like(parameter)).round() / 64
        enclosure, points, t = random_tubes(seed, size)
        last, steps = forward(read_network(layer), enclosure)
        with torch.inference_mode():
            outputs = layer(points.flatten(0, 1)).unflatten(0, points.shape[:2])
        assert (outputs >= last.lower[:, None]).all() and (outputs <= last.upper[:, None]).all()
        t = t.reshape(*t.shape[:2], *[1] * (outputs.ndim - 2))
        line = torch.lerp(last.start[:, None], last.stop[:, None], t.double())
        assert ((outputs - line).abs() <= last.radius[:, None] + 1e-14 * line.abs()).all()
        units = torch.eye(outputs[0, 0].numel(), dtype=torch.float64).repeat(3, 1, 1)
        coefficients = torch.cat((units, -units, torch.randn(3, 4, units.shape[2], dtype=torch.float64)), dim=1)
        coefficients = coefficients.unflatten(2, outputs.shape[2:])
        zero = torch.zeros(coefficients.shape[:2], dtype=torch.float64)
        rows = Rows(coefficients, zero, zero)
        for step in reversed(steps):
            rows = step.back(rows)
        below = points.flatten(2) @ rows.coefficients.flatten(2).transpose(1, 2) + (rows.constant - rows.slack)[:, None]
        above = outputs.flatten(2) @ coefficients.flatten(2).transpose(1, 2)
        rounding = 1e-14 * (outputs.abs().flatten(2) @ coefficients.abs().flatten(2).transpose(1, 2))
        assert (below <= above + rounding).all()

    @given(SEEDS, st.booleans(), st.sampled_from([0.01, 0.1, 0.5]))
    def test_margins_and_their_order(self, seed, residual, size):
        network = random_network(seed, residual)
        enclosure, points, _ = random_tubes(seed, size)
        layers = read_network(network)
        ibp, crown_ibp, crown = (
            margin_bounds(layers, enclosure, 1, method=method) for method in ("ibp", "crown-ibp", "crown")
        )
        assert (crown_ibp >= ibp).all() and (crown >= crown_ibp).all()
        for outputs in evaluations(network, points):
            others = torch.maximum(outputs[..., 0], outputs[..., 2])
            assert (outputs[..., 1] - others >= crown[:, None]).all()

    @given(SEEDS)
    def test_line_and_box_know_more_than_the_box(self, seed):
        """Every step of the box part is at least as sharp with the line."""
        layers = read_network(random_network(seed, residual=False))
        enclosure, _, _ = random_tubes(seed, 0.3)
        both, box = (
            forward(layers, each)[0] for each in (enclosure, LineEnclosure.box(enclosure.lower, enclosure.upper))
        )
        assert (both.lower >= box.lower - 1e-4).all() and (both.upper <= box.upper + 1e-4).all()

    def test_affine_networks_are_bounded_exactly(self):
        network = nn.Sequential(nn.Conv2d(1, 2, 3, stride=2), nn.Flatten(), nn.Linear(12, 2))
        enclosure, _, _ = random_tubes(3, 0.5)
        boxes = LineEnclosure.box(enclosure.lower, enclosure.upper)
        with torch.inference_mode():
            matrix = torch.stack([network(e.reshape(1, 1, 6, 7))[0] for e in torch.eye(42)], dim=1).double()
            offset = network(torch.zeros(1, 1, 6, 7))[0].double()
            matrix = matrix - offset[:, None]
        row = matrix[0] - matrix[1]
        ends = torch.where(row > 0, enclosure.lower.flatten(1), enclosure.upper.flatten(1))
        expected = ends @ row + offset[0] - offset[1]
        assert torch.allclose(margin_bounds(read_network(network), boxes, 0, method="crown-ibp"), expected, atol=1e-4)

    def test_backward_sees_what_forward_forgets(self):
        """relu(x) - relu(x) for x in [1, 2]: forward alone gives ±1, backward 0."""
        network = nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1))
        with torch.no_grad():
            for layer, weight in zip(network[::2], ([[1.0], [1.0]], [[1.0, -1.0], [-1.0, 1.0]], [[1, 1]]), strict=True):
                layer.weight.copy_(torch.tensor(weight))
                layer.bias.zero_()
        layers = read_network(network)
        box = LineEnclosure.box(torch.tensor([[1.0]]), torch.tensor([[2.0]]))
        box = dataclasses.replace(box, start=box.start, radius=torch.ones(1, 1, dtype=torch.float64))
        assert float(forward(layers, box)[0].upper) == pytest.approx(2.0, abs=1e-3)
        assert float(forward(layers, box, refine=True)[0].upper) == pytest.approx(0.0, abs=1e-3)

    def test_overflow_is_never_verified(self):
        network = nn.Sequential(*[layer for _ in range(8) for layer in (nn.Linear(1, 1), nn.ReLU())], nn.Linear(1, 2))
        for layer in network:
            if isinstance(layer, nn.Linear):
                nn.init.constant_(layer.weight, 1e6)
                nn.init.constant_(layer.bias, 1e6)
        with torch.no_grad():
            network[-1].weight[1].fill_(-1e6)
        for method in ("ibp", "crown-ibp", "crown"):
            enclosure = LineEnclosure.box(torch.zeros(1, 1), torch.ones(1, 1))
            assert float(margin_bounds(read_network(network), enclosure, 0, method=method)) == -math.inf


PREPROCESSINGS = (
    Preprocessing(),
    Preprocessing(vignette="circle", vignette_margin=1.0),
    Preprocessing(vignette="circle", vignette_margin=0.5, blur_size=3, blur_scale=1.5),
    Preprocessing(resize=8, crop=7, vignette="rectangle", vignette_margin=1.0),
)


class TestEnclosures:
    @given(
        SEEDS,
        st.sampled_from(["rotation", "translation"]),
        st.sampled_from(PREPROCESSINGS),
        st.sampled_from(["exact", "8-bit"]),
        st.sampled_from([0.01, 0.3, 3.0]),
        st.sampled_from([None, 2.0**-10, 2.0**-5]),
    )
    def test_contain_every_attacked_image(self, seed, name, preprocessing, attacker, width, grid):
        transform, generator = get_transform(name), torch.Generator().manual_seed(seed)
        width = width if name == "rotation" else width / 4
        levels = 256 if seed % 2 else 2
        image = torch.randint(0, levels, (2, 9, 8), generator=generator).float() / (levels - 1)
        low = (
            40
            * torch.rand(3, transform.dimensions, generator=generator, dtype=torch.float64)
            / (1 if name == "rotation" else 10)
        )
        boxes = torch.stack((low, low + width), dim=-1)
        enclosure = enclose(
            AttackedImage(image, transform, preprocessing, (-90, 90), attacker=attacker), boxes, grid=grid
        )
        for fraction in [0.0, 1.0, *torch.rand(20, generator=generator, dtype=torch.float64).tolist()]:
            gammas = torch.lerp(boxes[..., 0], boxes[..., 1], fraction)
            line = torch.lerp(enclosure.start, enclosure.stop, fraction)
            for pixels in (image, image.double()):
                images = transform(pixels, gammas)
                seen = preprocessing(to_8_bit(images) if attacker == "8-bit" else images).double()
                seen = seen if grid is None else snap(seen, grid).double()
                assert (seen >= enclosure.lower).all() and (seen <= enclosure.upper).all()
                if name == "rotation" or transform.dimensions == 1:
                    assert ((seen - line).abs() <= enclosure.radius).all()

    def test_against_the_slow_reference(self):
        image = torch.rand(1, 7, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        enclosure = enclose(
            AttackedImage(image, ROTATION, Preprocessing(), (-90, 90), attacker="exact"),
            torch.tensor([[[3.0, 4.0]]], dtype=torch.float64),
        )
        for angle in (3.0, 3.3, 3.99, 4.0):
            seen = torch.from_numpy(oracles.rotate(image[0].numpy(), angle))
            assert (seen >= enclosure.lower[0, 0]).all() and (seen <= enclosure.upper[0, 0]).all()

    def test_narrow_where_the_image_is_flat(self):
        """Black stays black for the 8-bit attacker; what the vignette removes is exactly 0; splits of no width are points."""
        image = torch.zeros(1, 9, 9)
        image[0, 4, 4] = 1.0
        preprocessing = Preprocessing(vignette="circle", vignette_margin=1.0)
        enclosure = enclose(
            AttackedImage(image, ROTATION, preprocessing, (-90, 90), attacker="8-bit"),
            torch.tensor([[[3.0, 3.5]]], dtype=torch.float64),
        )
        assert float(enclosure.upper[0, 0, 0].abs().max()) == 0 and float(enclosure.radius[0, 0, 0].max()) == 0
        assert float((enclosure.upper - enclosure.lower)[0, 0, 4, 1]) < 1e-4
        point = enclose(
            AttackedImage(image, ROTATION, Preprocessing(), (-90, 90), attacker="exact"),
            torch.full((1, 1, 2), 5.0, dtype=torch.float64),
        )
        assert float((point.upper - point.lower).max()) < 1e-4

    def test_8_bit_needs_an_image_in_0_1(self):
        with pytest.raises(ValueError, match=r"8-bit.*\[0, 1\]"):
            enclose(
                AttackedImage(torch.full((1, 3, 3), 1.5), ROTATION, Preprocessing(), (-90, 90), attacker="8-bit"),
                torch.zeros(1, 1, 2, dtype=torch.float64),
            )


def classifier_of(network: nn.Module, shape: tuple[int, int, int], classes: int, **settings) -> Classifier:
    return Classifier("test", network, tuple("abcdefghij"[:classes]), shape, **settings)


def brightest_column() -> Classifier:
    """The class of a 3x3 image is its brightest column."""
    linear = nn.Linear(9, 3)
    with torch.no_grad():
        linear.weight.copy_(torch.eye(3).repeat(1, 3))
        linear.bias.zero_()
    return classifier_of(nn.Sequential(nn.Flatten(), linear), (1, 3, 3), 3)


def constant(classes: int = 2) -> Classifier:
    linear = nn.Linear(25, classes)
    nn.init.zeros_(linear.weight)
    with torch.no_grad():
        linear.bias.copy_(-torch.arange(float(classes)))
    return classifier_of(nn.Sequential(nn.Flatten(), linear), (1, 5, 5), classes)


def attacked(image, transform, limit, preprocessing=Preprocessing(), attacker="8-bit") -> AttackedImage:  # noqa: B008
    return AttackedImage(image, transform, preprocessing, (-limit, limit), attacker=attacker)


IMAGE = torch.rand(1, 5, 5, generator=torch.Generator().manual_seed(1)).mul(255).round() / 255


class TestVerify:
    @pytest.mark.parametrize("method", ["ibp", "crown-ibp", "crown"])
    @pytest.mark.parametrize("transform", [Rotation(), Translation()], ids=lambda transform: transform.name)
    def test_a_constant_network_is_verified(self, method, transform):
        found = verify(constant(), attacked(IMAGE, transform, 5.0), 0, method=method, splitting=Splitting(width=2.0))
        assert found.verified and found.share == 1 and found.counterexample is None
        assert all(found.decisions) and found.evaluations == len(found.splits) == 5**transform.dimensions + (
            transform.dimensions == 1  # 0 is a multiple of 90°
        )
        assert all(0.99 < margin <= 1 for margin in found.margins)

    def test_for_another_label_it_is_not(self):
        found = verify(constant(3), attacked(IMAGE, ROTATION, 5.0), 1, splitting=Splitting(width=2.0, min_width=0.5))
        assert not found.verified and found.share == 0 and found.counterexample == (-5.0,)
        assert not any(found.decisions)

    @pytest.mark.parametrize("attacker", ["exact", "8-bit"])
    def test_known_boundary(self, bright_pixel, attacker):
        """The brightest column is the middle one exactly while |dx| < 1/2."""
        near = verify(
            brightest_column(),
            attacked(bright_pixel, Translation(), 0.4, attacker=attacker),
            1,
            splitting=Splitting(width=0.2),
        )
        assert near.verified and near.share == 1 and near.counterexample is None
        far = verify(
            brightest_column(),
            attacked(bright_pixel, Translation(), 1.0, attacker=attacker),
            1,
            splitting=Splitting(width=0.25, min_width=0.05),
        )
        assert not far.verified and abs(far.counterexample[0]) >= 0.49
        for (dx, _dy), verified in zip(far.splits, far.decisions, strict=True):
            if verified:
                assert -0.5 < dx[0] <= dx[1] < 0.5
        assert 0.3 < far.share <= 0.5

    @given(SEEDS, st.booleans(), st.sampled_from(["ibp", "crown-ibp", "crown"]), st.sampled_from(["exact", "8-bit"]))
    def test_nothing_misclassified_is_verified(self, seed, residual, method, attacker):
        generator = torch.Generator().manual_seed(seed)
        image = torch.randint(0, 256, (1, 6, 7), generator=generator).float() / 255
        classifier = classifier_of(random_network(seed, residual), (1, 6, 7), 3)
        label = int(classifier.logits(image[None]).argmax())
        found = verify(
            classifier,
            attacked(image, ROTATION, 40.0, attacker=attacker),
            label,
            method=method,
            splitting=Splitting(width=8.0, min_width=2.0),
        )
        angles = torch.linspace(-40, 40, 321, dtype=torch.float64)[:, None]
        images = ROTATION(image, angles)
        answers = classifier.logits(to_8_bit(images) if attacker == "8-bit" else images).argmax(1)
        for angle, answer in zip(angles[:, 0].tolist(), answers.tolist(), strict=True):
            if answer != label:
                assert not found.verified
                for (ends,), verified in zip(found.splits, found.decisions, strict=True):
                    assert not (verified and ends[0] <= angle <= ends[1])
        if found.verified:
            assert found.share == 1 and found.counterexample is None
        if found.counterexample is not None:
            moved = ROTATION(image, [found.counterexample])
            moved = to_8_bit(moved) if attacker == "8-bit" else moved
            assert not found.verified and int(classifier.logits(moved).argmax()) != label

    def test_smaller_splits_prove_more(self):
        generator = torch.Generator().manual_seed(5)
        image = torch.randint(0, 256, (1, 6, 7), generator=generator).float() / 255
        classifier = classifier_of(random_network(5, True), (1, 6, 7), 3)
        label = int(classifier.logits(image[None]).argmax())
        claim = (classifier, attacked(image, ROTATION, 30.0, attacker="exact"), label)
        splittings = [Splitting(width=5.0, min_width=width) for width in (5.0, 1.0, 0.2)]
        shares = [verify(*claim, method="ibp", splitting=splitting).share for splitting in splittings]
        assert shares == sorted(shares) and shares[0] < shares[-1]

    def test_evaluations_are_limited(self):
        found = verify(
            constant(),
            attacked(IMAGE, ROTATION, 5.0),
            1,
            splitting=Splitting(width=1.0, min_width=0.01, max_evaluations=25),
        )
        assert found.evaluations <= 25 and found.splits[0][0][0] == -5.0 and found.splits[-1][0][1] == 5.0
        assert (
            verify(
                constant(), attacked(IMAGE, ROTATION, 5.0), 1, splitting=Splitting(width=1.0, max_evaluations=1)
            ).evaluations
            == 10
        )

    def test_progress(self):
        seen = []

        def progress(items, desc: str, total: int):
            seen.append((desc, total))
            return items

        verify(constant(), attacked(IMAGE, ROTATION, 5.0), 0, progress=progress, splitting=Splitting(width=1.0))
        assert seen == [("verifying 10 splits", 1)]

    def test_the_record_is_plain(self):
        found = verify(constant(), attacked(IMAGE, ROTATION, 5.0), 0)
        assert json.loads(json.dumps(dataclasses.asdict(found)))["verified"] is True
        assert "splits" not in repr(found) and hash(found) is not None
        with pytest.raises(dataclasses.FrozenInstanceError):
            found.verified = False


@pytest.mark.parametrize(("limit", "width"), [(10.0, 1.0), (100.0, 7.0), (180.0, 100.0), (0.001, 1.0), (3.3, 0.7)])
def test_splits_cover_rotations_without_gaps(limit, width):
    splits = _first_splits(attacked(torch.zeros(1, 28, 28), ROTATION, limit), width)[:, 0].tolist()
    assert splits[0][0] == -limit and splits[-1][1] == limit
    assert all(first[1] == second[0] for first, second in itertools.pairwise(splits))
    assert all(low < high <= low + min(width, 3.0) * (1 + 1e-9) for low, high in splits)
    for turn in (-90.0, 0.0, 90.0):
        assert not any(low < turn < high for low, high in splits)


class Strange(Transform):
    name, parameters = "squeeze", Rotation.parameters

    def source(self, x, y, parameters):
        return x, y


WIDTHS = ("width", "min_width", "max_evaluations")
BAD: dict[str, tuple[dict[str, object], str]] = {
    "label": ({"label": 2}, r"Label 2.*2 classes"),
    "negative label": ({"label": -1}, r"Label -1.*2 classes"),
    "method": ({"method": "magic"}, r"method.*crown.*'magic'"),
    "limit": ({"limit": 0.0}, r"-limit to limit.*0\.0, 0\.0"),
    "another range": ({"gamma_range": (-1.0, 2.0)}, r"-limit to limit.*-1\.0, 2\.0"),
    "infinite limit": ({"limit": math.inf}, r"finite.*inf"),
    "another P": ({"preprocessing": Preprocessing(blur_size=3)}, r"blur_size=3.*but the classifier through"),
    "huge limit": ({"limit": 1e5}, r"3600"),
    "width": ({"width": 0.01}, r"min_width = 0\.05.*0\.01"),
    "min_width": ({"min_width": 0.0}, r"min_width = 0\.0"),
    "evaluations": ({"max_evaluations": 0}, r"max_evaluations.*0"),
    "attacker": ({"attacker": "16-bit"}, r"attacker.*'16-bit'"),
    "image": ({"image": torch.zeros(1, 4, 5)}, r"shape \(1, 4, 5\)"),
    "range of the image": ({"image": IMAGE * 2}, r"\[0, 1\]"),
    "transformation": ({"transform": Strange()}, r"no bound for squeeze"),
    "splits": ({"transform": Translation(), "limit": 8.0, "width": 0.01, "min_width": 0.01}, r"too many"),
}


@pytest.mark.parametrize(("changes", "message"), BAD.values(), ids=BAD.keys())
def test_bad_input(changes, message):
    settings = {"image": IMAGE, "transform": ROTATION, "preprocessing": Preprocessing(), "attacker": "8-bit"}
    limit = changes.get("limit", 5.0)
    settings |= {"gamma_range": (-limit, limit)}
    with pytest.raises(ValueError, match=message):
        verify(
            constant(),
            AttackedImage(**{name: changes.get(name, value) for name, value in settings.items()}),
            changes.get("label", 0),
            method=changes.get("method", "crown-ibp"),
            splitting=Splitting(**{name: value for name, value in changes.items() if name in WIDTHS}),
        )


class TestReading:
    @pytest.mark.parametrize("residual", [False, True])
    def test_strided_net(self, residual):
        torch.manual_seed(0)
        module = StridedNet(1, 9, 3, [4, 4], [2, 1], residual=residual)
        with pytest.raises(ValueError, match=r"Batch norm.*fuse_batch_norm"):
            read_network(module.eval())
        fused = fuse_batch_norm(module, half=False)
        images = torch.rand(4, 1, 9, 9)
        last, _ = forward(read_network(fused), LineEnclosure.box(images, images))
        with torch.inference_mode():
            logits = fused(images)
        assert torch.allclose(last.lower.float(), logits, atol=1e-3) and (last.lower <= logits).all()
        assert (logits <= last.upper).all()

    @pytest.mark.parametrize(
        ("module", "message"),
        [
            (nn.Sigmoid(), "Sigmoid"),
            (nn.Conv2d(1, 1, 3, padding="same"), "zeros"),
            (nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect"), "zeros"),
            (nn.Flatten(2), "first axis"),
            (nn.Linear(2, 2).bfloat16(), "float32.*bfloat16"),
            (nn.Linear(70_000, 1), "65536.*70000"),
            (fuse_batch_norm(StridedNet(1, 9, 3, [2], [2]), half=True), "bfloat16.*in_float32"),
        ],
    )
    def test_what_is_not_supported(self, module, message):
        with pytest.raises(ValueError, match=message):
            read_network(module)

    @pytest.mark.parametrize("value", [math.nan, math.inf, 1e7])
    def test_weights_must_be_ordinary(self, value):
        layer = nn.Linear(2, 2)
        with torch.no_grad():
            layer.weight[0, 0] = value
        with pytest.raises(ValueError, match="Weights must be finite"):
            read_network(layer)

    def test_boxes_must_be_boxes(self):
        for lower, upper in ((torch.ones(1, 1), torch.zeros(1, 1)), (torch.zeros(1, 1), torch.zeros(2, 1))):
            with pytest.raises(ValueError, match="box"):
                LineEnclosure.box(lower, upper)
        with pytest.raises(ValueError, match="box"):
            LineEnclosure.box(torch.full((1, 1), math.nan), torch.ones(1, 1))


@pytest.mark.parametrize("name", ["mnist-verifiable", "mnist-verifiable-vignette"])
def test_bundled_networks_are_verified(name):
    classifier = in_float32(name)
    digits = load_dataset("digits", shape=classifier.input_shape)
    images, labels = digits.batch(range(10))
    found = [
        verify(classifier, attacked(image, ROTATION, 10.0, classifier.preprocessing), int(label))
        for image, label in zip(images, labels, strict=True)
    ]
    assert sum(result.verified for result in found) >= 8


class TestBoxLoss:
    @pytest.mark.parametrize("residual", [False, True])
    def test_is_at_least_the_loss_anywhere_in_the_box(self, residual):
        torch.manual_seed(3)
        module = StridedNet(1, 9, 4, [5, 5], [2, 1], residual=residual)
        images, labels = torch.rand(30, 1, 9, 9), torch.arange(30) % 4
        ceiling = torch.ones(1, 1, 9, 9)
        module.train()
        at_points = functional.cross_entropy(module(images), labels)
        at_centre = box_loss(module, images, labels, 0.0, ceiling).detach()
        assert float(at_centre) == pytest.approx(float(at_points.detach()), rel=1e-5)
        worst = box_loss(module, images, labels, 0.1, ceiling).detach()
        module.eval()  # with the statistics of the images, as in the box loss
        for layer in module.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.reset_running_stats()
                layer.momentum = None
        module.train()
        with torch.no_grad():
            module(images)
        module.eval()
        for layer in module.modules():
            if isinstance(layer, nn.BatchNorm2d):  # running variances are unbiased
                count = 30 * 25
                layer.running_var.mul_((count - 1) / count)
        for _ in range(20):
            near = (images + 0.1 * torch.randn_like(images).sign()).clamp(0, 1)
            assert float(functional.cross_entropy(module(near), labels).detach()) <= float(worst)

    def test_remembers_nothing(self):
        module = StridedNet(1, 9, 4, [5], [2]).train()
        before = {name: value.clone() for name, value in module.state_dict().items()}
        box_loss(module, torch.rand(8, 1, 9, 9), torch.zeros(8, dtype=torch.int64), 0.1, torch.ones(1, 1, 9, 9))
        assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())

    def test_a_block_that_overwrites_its_input_is_refused(self):
        """relu in place changes the summand: the sum is not x + block(x)."""
        for block in (
            nn.ReLU(inplace=True),
            nn.Sequential(nn.ReLU(inplace=True), nn.Linear(2, 2)),
            nn.Sequential(nn.Flatten(), nn.Sequential(nn.ReLU(inplace=True)), nn.Linear(2, 2)),
        ):
            with pytest.raises(ValueError, match="must not begin with a ReLU in place"):
                read_network(nn.Sequential(nn.Linear(2, 2), Residual(block)))
        read_network(Residual(nn.Sequential(nn.Linear(2, 2), nn.ReLU(inplace=True))))
        read_network(Residual(nn.Sequential(nn.ReLU(), nn.Linear(2, 2))))

    def test_other_architectures_are_refused(self):
        with pytest.raises(ValueError, match=r"strided.*Linear"):
            box_loss(nn.Linear(2, 2), torch.zeros(1, 2), torch.zeros(1, dtype=torch.int64), 0.1, torch.ones(1))

    def test_a_recipe_with_it_is_verified_more_often(self):
        generator = torch.Generator().manual_seed(0)
        images = 0.2 * torch.rand(100, 1, 8, 8, generator=generator)
        labels = torch.arange(100) % 2
        for image, label in zip(images, labels, strict=True):
            (image[0, 3] if label == 0 else image[0, :, 3]).add_(0.8)
        settings = {
            "architecture": "strided",
            "channels": 1,
            "side": 8,
            "classes": 2,
            "widths": [6, 6],
            "strides": [2, 1],
        }
        recipe = Recipe("bars", "synthetic", settings, epochs=8, batch_size=10, learning_rate=1e-2, average=0.9)
        margins = []
        for radius in (0.0, 0.1):
            module = train(dataclasses.replace(recipe, box_radius=radius), images, labels)
            boxes = LineEnclosure.box((images - 0.1).clamp(min=0)[::2], (images + 0.1).clamp(max=1)[::2])
            layers = read_network(fuse_batch_norm(module, half=False))
            margins.append((margin_bounds(layers, boxes, 0, method="ibp") > 0).float().mean())
        assert margins[0] < margins[1] and margins[1] > 0.8

    def test_negative_radius(self):
        with pytest.raises(ValueError, match=r"box_radius.*-1"):
            Recipe("bad", "mnist", {}, box_radius=-1.0)
