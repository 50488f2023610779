"""Training on tiny data: it learns, it can be stopped and resumed, and what it writes is what it trained."""

import dataclasses
import hashlib
import json
import math
from copy import deepcopy

import pytest
import torch
from torch import nn

import spt.classifiers
import spt.training
from spt.classifiers import forget_loaded, load_classifier, read_card
from spt.networks import build_network, fuse_batch_norm
from spt.noise import snap
from spt.preprocessing import Preprocessing
from spt.recipes import RECIPES, Recipe
from spt.training import Average, accuracy, attacked, augmented, measure, noisy_inputs, train, write_classifier

NETWORK = {"architecture": "strided", "channels": 1, "side": 8, "classes": 2, "widths": [6, 8], "strides": [2, 1]}
TINY = Recipe(
    "tiny",
    "synthetic",
    NETWORK,
    transform="translation",
    parameter_sigma=0.7,
    pixel_sigma=0.1,
    preprocessing=Preprocessing(blur_size=3, blur_scale=1.0),
    epochs=6,
    batch_size=20,
    learning_rate=2e-2,
    consistency=1.0,
    average=0.9,
)


@pytest.fixture(scope="module")
def data() -> tuple[torch.Tensor, torch.Tensor]:
    """200 images 8x8: a horizontal or a vertical bar somewhere in the middle, with some noise."""
    generator = torch.Generator().manual_seed(0)
    images = 0.2 * torch.rand(200, 1, 8, 8, generator=generator)
    labels = torch.arange(200) % 2
    for image, label, place in zip(images, labels, torch.randint(2, 6, (200,), generator=generator), strict=True):
        (image[0, place] if label == 0 else image[0, :, place]).add_(0.8)
    return images, labels


def weights(module: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def same(first: nn.Module, second: nn.Module) -> bool:
    a, b = first.state_dict(), second.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_learns(data):
    trained = train(TINY, *data)
    assert not trained.training
    assert accuracy(TINY, trained, *data, seed=5, draws=2) > 0.9
    torch.manual_seed(0)
    assert accuracy(TINY, build_network(**NETWORK).eval(), *data, seed=5) < 0.8


def test_without_noise_and_consistency(data):
    quiet = Recipe("quiet", "synthetic", NETWORK, epochs=4, batch_size=20, learning_rate=2e-2, average=0.9)
    trained = train(quiet, *data)
    assert accuracy(quiet, trained, *data, seed=5) > 0.95


def test_reproducible(data):
    short = dataclasses.replace(TINY, epochs=1)
    first = train(short, *data)
    torch.manual_seed(77)  # the state of the global generator does not matter
    assert same(first, train(short, *data))
    assert not same(first, train(dataclasses.replace(short, seed=1), *data))


class Stopped(Exception):
    """What a person's Ctrl-C or a closed page looks like."""


def stop_after(epochs: int):
    def progress(items, desc: str, total: int):
        for index, item in enumerate(items):
            if index == epochs:
                raise Stopped
            yield item

    return progress


class TestCheckpoint:
    RECIPE = dataclasses.replace(TINY, epochs=3)

    @pytest.mark.parametrize("after", [1, 2])
    def test_stopped_and_resumed_equals_uninterrupted(self, data, tmp_path, after):
        checkpoint = tmp_path / "deeper" / "tiny.pt"
        with pytest.raises(Stopped):
            train(self.RECIPE, *data, checkpoint=checkpoint, progress=stop_after(after))
        assert checkpoint.is_file() and [path.name for path in checkpoint.parent.iterdir()] == ["tiny.pt"]
        torch.manual_seed(99)
        resumed = train(self.RECIPE, *data, checkpoint=checkpoint)
        assert same(resumed, train(self.RECIPE, *data))

    def test_within_an_epoch(self, data, tmp_path, monkeypatch):
        """Stopped in the middle of its second epoch it goes on there, not at the epoch's beginning."""
        calls, enough = [], spt.training._loss

        def stops(*arguments):
            calls.append(len(calls))
            if len(calls) == 14:  # the fourth step of ten in the second epoch
                raise Stopped
            return enough(*arguments)

        monkeypatch.setattr(spt.training, "_loss", stops)
        with pytest.raises(Stopped):
            train(self.RECIPE, *data, checkpoint=tmp_path / "c.pt", checkpoint_seconds=0.0)
        record = torch.load(tmp_path / "c.pt", weights_only=True)
        assert (record["epoch"], record["step"]) == (1, 3)
        calls.clear()
        monkeypatch.setattr(spt.training, "_loss", lambda *arguments: calls.append(0) or enough(*arguments))
        resumed = train(self.RECIPE, *data, checkpoint=tmp_path / "c.pt")
        assert len(calls) == 17
        assert same(resumed, train(self.RECIPE, *data))

    def test_progress_counts_what_is_left(self, data, tmp_path):
        seen = []

        def progress(items, desc: str, total: int):
            seen.append((desc, total, list(items)))
            return items

        with pytest.raises(Stopped):
            train(self.RECIPE, *data, checkpoint=tmp_path / "c.pt", progress=stop_after(1))
        train(self.RECIPE, *data, checkpoint=tmp_path / "c.pt", progress=progress)
        assert seen == [("tiny", 2, [1, 2])]

    def test_finished_run_only_reads(self, data, tmp_path):
        first = train(self.RECIPE, *data, checkpoint=tmp_path / "c.pt")
        again = train(
            self.RECIPE,
            *data,
            checkpoint=tmp_path / "c.pt",
            progress=lambda items, desc, total: pytest.fail("trained") if list(items) else items,
        )
        assert same(first, again)

    @pytest.mark.parametrize("change", [{"learning_rate": 1e-3}, {"epochs": 4}, {"pixel_sigma": 0.2}, {"seed": 1}])
    def test_of_other_settings_is_refused(self, data, tmp_path, change):
        with pytest.raises(Stopped):
            train(self.RECIPE, *data, checkpoint=tmp_path / "c.pt", progress=stop_after(1))
        content = (tmp_path / "c.pt").read_bytes()
        with pytest.raises(ValueError, match=r"c\.pt.*other settings"):
            train(dataclasses.replace(self.RECIPE, **change), *data, checkpoint=tmp_path / "c.pt")
        assert (tmp_path / "c.pt").read_bytes() == content

    def test_nothing_in_it_is_unpickled(self, data, tmp_path):
        train(dataclasses.replace(TINY, epochs=1), *data, checkpoint=tmp_path / "c.pt")
        assert torch.load(tmp_path / "c.pt", weights_only=True)["epoch"] == 1


class TestNoise:
    def test_none(self, data):
        quiet = Recipe("quiet", "synthetic", NETWORK)
        assert torch.equal(noisy_inputs(quiet, data[0], torch.Generator()), data[0])

    def test_preprocessing_then_pixel_noise(self, data):
        recipe = dataclasses.replace(TINY, transform=None, parameter_sigma=0.0, pixel_sigma=0.25)
        noise = noisy_inputs(recipe, data[0], torch.Generator().manual_seed(0)) - recipe.preprocessing(data[0])
        assert float(noise.std()) == pytest.approx(0.25, rel=0.03) and abs(float(noise.mean())) < 0.01

    def test_every_image_gets_its_own(self):
        images = torch.zeros(50, 1, 9, 9)
        images[:, 0, 4, 4] = 1.0
        recipe = dataclasses.replace(TINY, pixel_sigma=0.0, preprocessing=Preprocessing())
        moved = noisy_inputs(recipe, images, torch.Generator().manual_seed(0))
        columns = torch.arange(9.0) - 4
        dx = (moved.sum(dim=(1, 2)) * columns).sum(dim=1)
        assert len({round(float(x), 6) for x in dx}) == 50
        assert float(dx.std()) == pytest.approx(0.7, rel=0.35)

    def test_from_the_generator(self, data):
        first, again, other = (noisy_inputs(TINY, data[0], torch.Generator().manual_seed(seed)) for seed in (0, 0, 1))
        assert torch.equal(first, again) and not torch.equal(first, other)


class TestAttack:
    """What the network is shown, moved to where it errs more (SmoothAdv)."""

    @pytest.fixture
    def trained(self, data) -> nn.Module:
        return train(dataclasses.replace(TINY, epochs=2), *data)

    def test_worse_and_within_the_ball(self, trained, data):
        inputs, labels = noisy_inputs(TINY, data[0], torch.Generator().manual_seed(0)), data[1]
        before = weights(trained)
        moved = attacked(trained, inputs, labels, 0.5, 2)
        distances = (moved - inputs).flatten(1).norm(dim=1)
        assert distances.max() <= 0.5 * (1 + 1e-5) and distances.median() > 0.45
        with torch.inference_mode():
            losses = [float(nn.functional.cross_entropy(trained(shown), labels)) for shown in (inputs, moved)]
        assert losses[1] > losses[0] + 0.02
        after = trained.state_dict()
        assert all(torch.equal(before[name], after[name]) for name in before)
        assert not moved.requires_grad and all(weight.grad is None for weight in trained.parameters())

    def test_the_mode_is_kept(self, trained, data):
        trained.train()
        attacked(trained, data[0][:20], data[1][:20], 0.1, 1)
        assert trained.training
        trained.eval()
        attacked(trained, data[0][:20], data[1][:20], 0.1, 1)
        assert not trained.training

    def test_who_trained_with_it_stands_it(self, data):
        plain = dataclasses.replace(TINY, epochs=15, consistency=0.0)
        shares = []
        for recipe in (plain, dataclasses.replace(plain, adversarial_radius=0.3)):
            module = train(recipe, *data)
            inputs = noisy_inputs(plain, data[0], torch.Generator().manual_seed(1))
            moved = attacked(module, inputs, data[1], 0.3, 4)
            with torch.inference_mode():
                shares.append(float((module(moved).argmax(1) == data[1]).double().mean()))
        assert shares[1] > shares[0] + 0.05


class TestAverage:
    def test_is_the_exponential_average(self):
        module, values = nn.Sequential(nn.Linear(1, 1), nn.BatchNorm1d(1)), []
        average = Average(module, 0.9)
        expected = 0.0
        for step in range(40):
            with torch.no_grad():
                module[0].weight.fill_(step * step)
                module[1].running_mean.fill_(-step)
                module[1].num_batches_tracked.fill_(step)
            average.update(module)
            decay = min(0.9, (1 + step) / (10 + step)) if step else 0.0
            expected = decay * expected + (1 - decay) * step * step
            values.append(float(average.module[0].weight.detach()) - expected)
        assert max(map(abs, values)) < 1e-3
        assert int(average.module[1].num_batches_tracked) == 39 and float(average.module[1].running_mean) < 0

    def test_there_and_back(self):
        module = nn.Linear(2, 2)
        average, again = Average(module, 0.5), Average(nn.Linear(2, 2), 0.5)
        average.update(module)
        again.load_state_dict(average.state_dict())
        assert same(again.module, average.module) and again.count == 1


def test_a_loss_that_is_no_number_is_refused(data):
    wild = dataclasses.replace(TINY, learning_rate=1e30)
    with pytest.raises(ValueError, match=r"loss of tiny became NaN in epoch \d: lower its learning_rate"):
        train(wild, *data)


RESIDUAL = {"architecture": "residual", "channels": 1, "side": 8, "classes": 2, "widths": [6, 8], "blocks": [1, 2]}


class TestResidualNet:
    def test_folding_keeps_the_function(self, data):
        recipe = dataclasses.replace(TINY, network=RESIDUAL, epochs=1)
        trained = train(recipe, *data)
        with torch.inference_mode():
            expected = trained(data[0])
            folded = fuse_batch_norm(deepcopy(trained), half=False)
            assert not any(isinstance(part, nn.BatchNorm2d) for part in folded.modules())
            torch.testing.assert_close(folded(data[0]), expected, rtol=1e-4, atol=1e-4)

    def test_shapes(self):
        """Stages halve the sides; any size works, and a shortcut is a convolution only where the shape changes."""
        module = build_network(**RESIDUAL)
        assert module.features(torch.zeros(1, 1, 9, 7)).shape == (1, 8, 5, 4)
        convolutions = [part for part in module.modules() if isinstance(part, nn.Conv2d)]
        assert [part.kernel_size[0] for part in convolutions] == [3, 3, 3, 3, 3, 1, 3, 3]

    def test_resnet_18(self):
        settings = {"widths": [64, 128, 256, 512], "blocks": [2, 2, 2, 2], "channels": 3, "side": 32, "classes": 10}
        module = build_network("residual", **settings)
        assert sum(weight.numel() for weight in module.parameters()) == 11_173_962  # of the usual CIFAR variant


class TestWriting:
    @pytest.fixture
    def trained(self, data) -> nn.Module:
        return train(dataclasses.replace(TINY, epochs=1), *data)

    @pytest.fixture
    def folder(self, tmp_path, monkeypatch):
        """The folder of bundled classifiers, for the length of a test."""
        monkeypatch.setattr(spt.classifiers, "MODELS_FOLDER", tmp_path)
        monkeypatch.setattr(spt.training, "MODELS_FOLDER", tmp_path)
        forget_loaded()
        yield tmp_path
        forget_loaded()

    def test_there_and_back(self, trained, folder, data):
        before = weights(trained)
        images = snap(TINY.preprocessing(data[0][:50]))
        with torch.inference_mode():
            expected = trained(images)
        written = write_classifier(TINY, trained, ["lying", "standing"], {"input_shape": [1, 8, 8]}, folder)
        read = load_classifier("tiny")
        assert read.fingerprint == written.fingerprint
        for classifier in (read, written):
            assert classifier.class_names == ("lying", "standing") and classifier.input_shape == (1, 8, 8)
            assert classifier.preprocessing == TINY.preprocessing and classifier.transform == "translation"
            assert (classifier.parameter_sigma, classifier.pixel_sigma) == (0.7, 0.1)
            half = classifier.module.half_precision
            assert torch.allclose(classifier.logits(data[0][:50]), expected, rtol=0, atol=0.1 if half else 1e-4)
        assert all(torch.equal(before[name], value) for name, value in trained.state_dict().items())

    def test_weights_are_kept_to_the_last_bit(self, trained, folder):
        from safetensors.torch import load_file

        write_classifier(TINY, trained, ["lying", "standing"], {"input_shape": [1, 8, 8]}, folder)
        module = build_network(**read_card("tiny")["network"])
        module.load_state_dict(load_file(folder / "tiny.safetensors"))
        assert same(module, trained)

    def test_half_weights(self, data, folder):
        """In half the space, and what is measured before writing is what is loaded."""
        from safetensors.torch import load_file

        recipe = dataclasses.replace(TINY, name="halves", epochs=1, half_weights=True)
        module = train(recipe, *data)
        written = write_classifier(recipe, module, ["lying", "standing"], {"input_shape": [1, 8, 8]}, folder)
        stored = load_file(folder / "halves.safetensors")
        assert {value.dtype for value in stored.values() if value.is_floating_point()} == {torch.float16}
        again = build_network(**recipe.network)
        again.load_state_dict(stored)
        assert same(again, module) and all(value.dtype != torch.float16 for value in weights(again).values())
        assert torch.equal(load_classifier("halves").logits(data[0]), written.logits(data[0]))

    def test_another_folder(self, trained, tmp_path, data):
        before = weights(trained)
        classifier = write_classifier(
            TINY, trained, ["lying", "standing"], {"input_shape": [1, 8, 8]}, tmp_path / "new"
        )
        assert classifier.transform == "translation" and classifier.parameter_sigma == 0.7
        assert {path.name for path in (tmp_path / "new").iterdir()} == {"tiny.json", "tiny.safetensors"}
        assert all(torch.equal(before[name], value) for name, value in trained.state_dict().items())

    def test_card(self, trained, folder):
        measured = {"input_shape": [1, 8, 8], "test_images": 200, "float32": {"clean": 0.75}}
        kept = deepcopy(measured)
        write_classifier(TINY, trained, ["lying", "standing"], measured, folder)
        assert measured == kept
        card = json.loads((folder / "tiny.json").read_text())
        assert card == read_card("tiny")
        assert card["accuracy"] == {"test_images": 200, "float32": {"clean": 0.75}}
        assert card["sha256"] == hashlib.sha256((folder / "tiny.safetensors").read_bytes()).hexdigest()
        assert card["epochs"] == 6 and card["seed"] == 0 and card["command"] == "python -m spt train tiny"

    def test_measure(self, trained, data):
        before = weights(trained)
        result = measure(TINY, trained, *data)
        assert result["input_shape"] == [1, 8, 8] and result["test_images"] == 200
        quiet = dataclasses.replace(TINY, parameter_sigma=0.0, pixel_sigma=0.0)
        assert result["float32"]["clean"] == pytest.approx(accuracy(quiet, trained, *data, seed=1), abs=0.011)
        for precision in ("float32", "bfloat16"):
            assert all(0.3 < value <= 1 for value in result[precision].values())
        assert all(torch.equal(before[name], value) for name, value in trained.state_dict().items())


def test_accuracy_counts():
    class Echo(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return torch.stack([1 - images[:, 0, 0, 0], images[:, 0, 0, 0]], dim=1)

    images = torch.zeros(1200, 1, 1, 1)
    images[:300] = 1
    assert accuracy(Recipe("echo", "x", NETWORK), Echo(), images, torch.ones(1200, dtype=torch.int64), 0) == 0.25


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": 0}, r"epochs.*0"),
        ({"batch_size": -1}, r"batch_size.*-1"),
        ({"learning_rate": 0.0}, r"learning_rate.*0\.0"),
        ({"learning_rate": math.nan}, r"learning_rate.*nan"),
        ({"parameter_sigma": -1.0}, r"parameter_sigma.*-1"),
        ({"pixel_sigma": math.nan}, r"pixel_sigma.*nan"),
        ({"adversarial_radius": -0.5}, r"adversarial_radius.*-0\.5"),
        ({"adversarial_steps": 0}, r"adversarial_steps.*0"),
        ({"consistency": -0.5}, r"consistency.*-0\.5"),
        ({"weight_decay": -1.0}, r"weight_decay.*-1"),
        ({"average": 1.0}, r"average.*1\.0"),
        ({"average": -0.1}, r"average.*-0\.1"),
        ({"transform": "squeeze"}, r"'squeeze'.*rotation"),
        ({"parameter_sigma": 3.0}, r"3\.0.*no transformation"),
    ],
)
def test_invalid_recipes(settings, message):
    with pytest.raises(ValueError, match=message):
        Recipe("bad", "mnist", NETWORK, **settings)


class TestAugmentation:
    """Mirrored and shifted at random, each image on its own."""

    @pytest.fixture
    def images(self):
        return torch.rand(60, 3, 7, 9, generator=torch.Generator().manual_seed(0))

    def test_nothing_by_default(self, images):
        assert augmented(TINY, images, torch.Generator()) is images

    def test_flip(self, images):
        shown = augmented(dataclasses.replace(TINY, flip=True), images, torch.Generator().manual_seed(1))
        same = (shown == images).flatten(1).all(1)
        mirrored = (shown == images.flip(-1)).flatten(1).all(1)
        assert (same ^ mirrored).all() and 15 < same.sum() < 45

    def test_crop(self, images):
        """Each is a piece of the image continued by reflection; all 25 corners occur."""
        shown = augmented(dataclasses.replace(TINY, crop=2), images, torch.Generator().manual_seed(1))
        padded = torch.nn.functional.pad(images, (2, 2, 2, 2), mode="reflect")
        pieces = padded.unfold(2, 7, 1).unfold(3, 9, 1)  # (N, C, 5, 5, 7, 9)
        found = (pieces == shown[:, :, None, None]).all(1).flatten(3).all(3)  # (N, 5, 5)
        assert (found.flatten(1).sum(1) == 1).all()
        assert found.flatten(1).any(0).sum() >= 20


def test_recipes_are_registered_by_name():
    assert all(recipe.name == name for name, recipe in RECIPES.items())
    for recipe in RECIPES.values():
        module = build_network(**recipe.network)
        side = recipe.network["side"]
        assert module(torch.zeros(2, recipe.network["channels"], side, side)).shape == (2, 10)


@pytest.mark.cuda
def test_checkpoint_travels_from_cuda(data, tmp_path):
    short = dataclasses.replace(TINY, epochs=2)
    with pytest.raises(Stopped):
        train(short, *data, device="cuda", checkpoint=tmp_path / "c.pt", progress=stop_after(1))
    assert accuracy(short, train(short, *data, checkpoint=tmp_path / "c.pt"), *data, seed=0) > 0.5
