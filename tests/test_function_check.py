"""f must be a deterministic function of one image, the one that was given: what is not, is refused with what was seen."""

import copy

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from spt.attacks import WorstOfK
from spt.classifiers import Classifier, forget_loaded, load_classifier
from spt.defences import DistSPT, IndivSPT
from spt.network_state import tensors_of
from spt.preprocessing import Preprocessing
from spt.response import response
from spt.smoothing import SmoothedClassifier
from spt.transforms import Rotation

SHAPE = (1, 6, 6)


def linear(seed: int = 0) -> nn.Linear:
    torch.manual_seed(seed)
    return nn.Linear(36, 2)


class Own(nn.Module):
    """A linear network, with something done to the images first; subclasses say what."""

    def __init__(self) -> None:
        super().__init__()
        self.last = linear()

    def prepared(self, images: Tensor) -> Tensor:
        return images

    def forward(self, images: Tensor) -> Tensor:
        return self.last(self.prepared(images).flatten(1))


class BatchStatistics(Own):
    def prepared(self, images: Tensor) -> Tensor:
        return functional.batch_norm(images, None, None, training=True)


class MinMaxOfTheBatch(Own):
    def prepared(self, images: Tensor) -> Tensor:
        return (images - images.min()) / (images.max() - images.min() + 1e-6)


class AverageOfTheBatch(Own):
    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images.mean(dim=0, keepdim=True))


class ShiftedByTheBatch(Own):
    def forward(self, images: Tensor) -> Tensor:
        logits = super().forward(images)
        return logits + logits.mean(dim=0).flip(0)


class Dropout(Own):
    def prepared(self, images: Tensor) -> Tensor:
        return functional.dropout(images, 0.3)  # training=True is its default


class LayersInAList(Own):
    def __init__(self) -> None:
        super().__init__()
        self.layers = [nn.Dropout(0.3)]

    def prepared(self, images: Tensor) -> Tensor:
        for layer in self.layers:
            images = layer(images)
        return images


class BatchNormInAList(Own):
    def __init__(self) -> None:
        super().__init__()
        self.layers = [nn.BatchNorm2d(1)]

    def prepared(self, images: Tensor) -> Tensor:
        return self.layers[0](images)


class Remembers(Own):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(1))

    def prepared(self, images: Tensor) -> Tensor:
        self.seen += images.mean()
        return images + 1e-9 * self.seen


class LargerThanOne(Own):
    """Guesses from the batch whether pixels go to 255."""

    def prepared(self, images: Tensor) -> Tensor:
        return images / 255 if images.max() > 1.8 else images


class BelowZero(Own):
    def prepared(self, images: Tensor) -> Tensor:
        return (images + 1) / 2 if images.min() < 0 else images


class ShiftedByTheLeast(Own):
    def prepared(self, images: Tensor) -> Tensor:
        return images - images.min()


class OfLargeBatchesOnly(Own):
    def prepared(self, images: Tensor) -> Tensor:
        return images - images.mean() if len(images) >= 32 else images


class Masked(BatchStatistics):
    """A class that is ruled out must not hide what the others do."""

    value = float("-inf")

    def forward(self, images: Tensor) -> Tensor:
        logits = super().forward(images)
        return torch.cat((logits, torch.full_like(logits[:, :1], self.value)), dim=1)


class MaskedByALargeNumber(Masked):
    value = -1e4


class RandomAndMasked(Masked):
    def prepared(self, images: Tensor) -> Tensor:
        return torch.randn_like(images)


class Ages(Own):
    calls = 0

    def prepared(self, images: Tensor) -> Tensor:
        self.calls += 1
        return images * (1 + 0.1 * self.calls)


REFUSED = [
    (BatchStatistics, "statistics of the whole batch"),
    (MinMaxOfTheBatch, "statistics of the whole batch"),
    (AverageOfTheBatch, "must map 32 images to 32 x 2 logits"),
    (LargerThanOne, "statistics of the whole batch"),
    (BelowZero, "statistics of the whole batch"),
    (ShiftedByTheLeast, "statistics of the whole batch"),
    (OfLargeBatchesOnly, "statistics of the whole batch"),
    (Masked, "statistics of the whole batch"),
    (MaskedByALargeNumber, "statistics of the whole batch"),
    (RandomAndMasked, "asked the same again"),
    (ShiftedByTheBatch, "statistics of the whole batch"),
    (Dropout, "asked the same again"),
    (LayersInAList, "asked the same again"),
    (BatchNormInAList, "statistics of the whole batch"),
    (Remembers, "weights or buffers changed while it answered"),
    (Ages, "asked the same again"),
]


@pytest.mark.parametrize(("kind", "seen"), REFUSED)
def test_what_is_no_function_of_one_image_is_refused(kind, seen):
    with pytest.raises(ValueError, match=seen):
        Classifier("own", kind(), ("a", "b", "c") if issubclass(kind, Masked) else ("a", "b"), SHAPE)


def test_what_drifts_during_a_run_is_refused_at_its_end():
    class Drifts(Own):
        """Too slowly for the check when it is made."""

        mean = 0.5

        def prepared(self, images: Tensor) -> Tensor:
            self.mean = 0.95 * self.mean + 0.05 * float(images.mean()) if self.awake else self.mean
            return images - self.mean

        awake = False

    network = Drifts()
    classifier, image = Classifier("drifts", network, ("a", "b"), SHAPE), torch.rand(*SHAPE)
    for run in runs(classifier, image)[:5]:
        run()
    network.awake = True
    for run in runs(classifier, image)[:5]:
        network.mean = 5.0
        with pytest.raises(ValueError, match="no function of one image"):
            run()


def test_ordinary_networks_pass():
    networks = [
        Own(),
        nn.Sequential(nn.Flatten(), nn.BatchNorm1d(36), nn.Dropout(0.5), linear()),
        nn.Sequential(nn.Flatten(), nn.LayerNorm(36), linear()),
        nn.Sequential(nn.Flatten(), linear()).to(torch.bfloat16),
        torch.jit.trace(nn.Sequential(nn.Flatten(), linear()), torch.zeros(2, *SHAPE)),
    ]
    networks[3] = nn.Sequential(_Cast(), networks[3])
    for network in networks:
        assert Classifier("own", network, ("a", "b"), SHAPE).logits(torch.rand(3, *SHAPE)).shape == (3, 2)


class _Cast(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images.to(torch.bfloat16)


@pytest.mark.parametrize("name", ["mnist-rotation", "cifar10-smooth"])
def test_bundled_networks_pass_with_room(name):
    """Their answers in and out of company differ by less than a tenth of the tolerance."""
    classifier = load_classifier(name)
    images = torch.randint(1025, (16, *classifier.network_shape)) / 1024
    together = classifier.network_logits(images)
    spread = float(together.amax() - together.amin())
    tolerance = 0.01 if classifier.number_format == "bfloat16" else 0.001
    for i in (0, 7, 15):
        with torch.inference_mode():
            alone = classifier.module(images[i : i + 1])[0]
        assert float((alone - together[i]).abs().max()) < tolerance * spread


# ------------------------------------------------------------------------------------------------------------- changes


def changed_weights(classifier: Classifier) -> None:
    classifier.module.last.weight.data.mul_(2)


def new_layer(classifier: Classifier) -> None:
    classifier.module.last = linear(1).eval()


def one_step(classifier: Classifier) -> None:
    optimizer = torch.optim.SGD(classifier.module.parameters(), lr=0.1)
    classifier.module(torch.rand(2, *SHAPE)).sum().backward()
    optimizer.step()


def loaded(classifier: Classifier) -> None:
    classifier.module.load_state_dict(Own().state_dict() | {"last.weight": linear(1).weight})


def permuted(classifier: Classifier) -> None:
    weight = classifier.module.last.weight
    weight.data[[0, 1]] = weight.data[[1, 0]].clone()


def moved_after_a_change(classifier: Classifier) -> None:
    with torch.no_grad():
        classifier.module.last.weight.copy_(linear(1).weight)
    classifier.to("cpu")


def train_mode(classifier: Classifier) -> None:
    classifier.module.train()


def train_mode_of_a_part(classifier: Classifier) -> None:
    classifier.module.last.train()


def runs(classifier: Classifier, image: Tensor) -> list:
    g = SmoothedClassifier(classifier, Rotation(), 10.0, 0.1)
    return [
        lambda: g.predict(image, 50),
        lambda: g.certify(image, 10, 50),
        lambda: DistSPT(classifier, Rotation(), 10.0, 0.1, 5.0).certify(image, n_gamma=5),
        lambda: DistSPT(classifier, Rotation(), 10.0, 0.1, 5.0).predict(image),
        lambda: IndivSPT(classifier, Rotation(), 10.0, 0.1, 5.0).certify(image, n_gamma=5),
        lambda: WorstOfK(Rotation(), 10.0)(classifier, image, 0),
        lambda: response(classifier, Rotation(), image, torch.zeros(1, 1)),
    ]


@pytest.mark.parametrize("change", [changed_weights, new_layer, one_step, loaded, permuted])
def test_weights_that_changed_are_refused_by_every_run(change):
    classifier, image = Classifier("own", Own(), ("a", "b"), SHAPE), torch.rand(*SHAPE)
    for run in runs(classifier, image):
        run()
    change(classifier)
    for run in runs(classifier, image):
        with pytest.raises(ValueError, match="weights of classifier 'own' changed"):
            run()


def another_activation(classifier: Classifier) -> None:
    classifier.module[1] = nn.ReLU().eval()


def hook_of_a_sequence(classifier: Classifier) -> None:
    hooked_on = classifier.module[2]
    hooked_on.register_forward_hook(lambda module, inputs, output: -output)


@pytest.mark.parametrize("change", [another_activation, hook_of_a_sequence])
def test_layers_and_hooks_that_changed_are_refused(change):
    network = nn.Sequential(nn.Flatten(), nn.Tanh(), linear())
    classifier, image = Classifier("own", network, ("a", "b"), SHAPE), torch.rand(*SHAPE)
    classifier.check_image(image)
    change(classifier)
    for run in runs(classifier, image):
        with pytest.raises(ValueError, match="layers or hooks of classifier 'own' changed"):
            run()


def test_a_hook_that_only_looks_on_is_allowed():
    seen = []
    classifier, image = Classifier("own", Own(), ("a", "b"), SHAPE), torch.rand(*SHAPE)
    classifier.module.last.register_forward_hook(lambda module, inputs, output: seen.append(len(output)))
    SmoothedClassifier(classifier, Rotation(), 10.0).predict(image, 50)
    assert seen


def test_weights_that_changed_are_refused_when_they_are_moved():
    with pytest.raises(ValueError, match="weights of classifier 'own' changed"):
        moved_after_a_change(Classifier("own", Own(), ("a", "b"), SHAPE))


@pytest.mark.parametrize("change", [train_mode, train_mode_of_a_part])
def test_training_mode_is_refused_by_every_run(change):
    classifier, image = Classifier("own", Own(), ("a", "b"), SHAPE), torch.rand(*SHAPE)
    change(classifier)
    for run in runs(classifier, image):
        with pytest.raises(ValueError, match="training mode"):
            run()


def test_weights_that_only_moved_are_the_same():
    classifier, image = Classifier("own", Own(), ("a", "b"), SHAPE), torch.rand(*SHAPE)
    before = classifier.fingerprint
    classifier.module.last.weight = nn.Parameter(classifier.module.last.weight.clone())
    assert classifier.to("cpu").logits(image[None]).shape == (1, 2) and classifier.fingerprint == before


# --------------------------------------------------------------------------------------------------------- fingerprints


class PlainTensor(Own):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = torch.full((1,), factor)

    def prepared(self, images: Tensor) -> Tensor:
        return images * self.factor


class PlainList(Own):
    def __init__(self, seed: int) -> None:
        super().__init__()
        self.layers = [nn.Flatten(), linear(seed)]

    def forward(self, images: Tensor) -> Tensor:
        for layer in self.layers:
            images = layer(images)
        return images


class PlainNumber(Own):
    def __init__(self, exponent: float) -> None:
        super().__init__()
        self.exponent = exponent

    def prepared(self, images: Tensor) -> Tensor:
        return images.clamp(min=0) ** self.exponent


class InAClosure(Own):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.change = lambda images: images * factor

    def prepared(self, images: Tensor) -> Tensor:
        return self.change(images)


class Clamped(Own):
    def __init__(self, most: float) -> None:
        super().__init__()
        self.most = most

    def prepared(self, images: Tensor) -> Tensor:
        return images.clamp(1 - self.most, self.most)


class Keeper:
    def __init__(self, factor: float) -> None:
        self.factors = np.array([factor])


class InAnObject(Own):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.keeper = Keeper(factor)

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images) + 1e-9 * float(self.keeper.factors[0])


@pytest.mark.parametrize(
    ("kind", "first", "second"),
    [
        (Clamped, 1.0, 1e9),
        (InAnObject, 1.0, 2.0),
        (PlainTensor, 1.0, 1.001),
        (PlainList, 0, 1),
        (PlainNumber, 1.0, 1.01),
        (InAClosure, 1.0, 1.01),
    ],
)
def test_networks_that_answer_otherwise_have_other_fingerprints(kind, first, second):
    def fingerprint(value: float) -> str:
        return Classifier("own", kind(value), ("a", "b"), SHAPE).fingerprint

    assert fingerprint(first) == fingerprint(first) != fingerprint(second)


def test_a_tensor_that_the_answers_do_not_show_is_seen():
    first, second = Own(), Own()
    first.spare, second.spare = {"kept": [torch.zeros(2)]}, {"kept": [torch.ones(2)]}
    assert "kept" in "".join(tensors_of(first))
    prints = {Classifier("own", module, ("a", "b"), SHAPE).fingerprint for module in (first, second)}
    assert len(prints) == 2


def test_a_fingerprint_survives_a_copy_and_another_process():
    module = Own()
    own = Classifier("own", module, ("a", "b"), SHAPE)
    assert Classifier("own", copy.deepcopy(module), ("a", "b"), SHAPE).fingerprint == own.fingerprint
    assert Classifier("own", module, ("a", "b"), SHAPE, grid=2**-8).fingerprint != own.fingerprint


def test_rounding_errors_do_not_change_the_fingerprint_of_answers(monkeypatch):
    """Answers are computed in float64 and rounded far above its errors, so that machines agree."""
    import spt.network_state as state

    classifier = load_classifier("mnist-rotation-fine")
    images = state.probes(classifier.network_shape)
    threads = torch.get_num_threads()
    try:
        found = set()
        for count in (1, 2):
            torch.set_num_threads(count)
            found |= {
                state.behaviour(classifier.module, images[order].flip(0), torch.device("cpu"))
                for order in [[3, 2, 1, 0]]
            }
        assert len(found) == 1
    finally:
        torch.set_num_threads(threads)


# -------------------------------------------------------------------------------------------------------- no number


class Root(Own):
    """A gamma correction: not a number below 0."""

    def prepared(self, images: Tensor) -> Tensor:
        return images ** (1 / 2.2)


def test_nan_logits_under_noise_are_never_a_vote():
    """The first class of an argmax over NaN is 0: nothing of that kind is counted, wherever noise comes in."""
    classifier, image = Classifier("gamma", Root(), ("a", "b"), SHAPE), torch.rand(*SHAPE)
    assert (
        SmoothedClassifier(classifier, Rotation(), 10.0).certify(image, 10, 50).label is not None
    )  # without noise it is one
    for run in runs(classifier, image)[:5]:
        with pytest.raises(ValueError, match=r"answers NaN for \d+ of .* nothing is concluded"):
            run()


def test_nan_in_one_row_of_many_is_seen():
    class Sometimes(Own):
        def forward(self, images: Tensor) -> Tensor:
            logits = super().forward(images)
            return torch.where((images[:, 0, 0, :1] > 0.9995) & (images[:, 0, 0, 1:2] == 0), torch.nan, logits)

    classifier = Classifier("sometimes", Sometimes(), ("a", "b"), SHAPE)
    images = torch.full((600, *SHAPE), 0.5)
    assert len(classifier.logits(images)) == 600
    images[599, 0, 0, 0], images[599, 0, 0, 1] = 1.0, 0.0
    with pytest.raises(ValueError, match="NaN for 1 of 600 images"):
        classifier.logits(images)
    image = images[599]
    for run in (
        lambda: WorstOfK(Rotation(), 1e-9)(classifier, image, 0),
        lambda: response(classifier, Rotation(), image, torch.zeros(1, 1)),
    ):
        with pytest.raises(ValueError, match="NaN"):
            run()


def test_infinite_logits_are_refused_and_minus_infinity_is_a_class_ruled_out():
    class Limit(Own):
        def __init__(self, value: float) -> None:
            super().__init__()
            self.value = value

        def forward(self, images: Tensor) -> Tensor:
            logits = super().forward(images)
            return torch.stack((logits[:, 0], torch.full_like(logits[:, 1], self.value)), dim=1)

    with pytest.raises(ValueError, match="answers infinity for one image"):
        Classifier("limit", Limit(float("inf")), ("a", "b"), SHAPE)
    ruled_out = Classifier("limit", Limit(float("-inf")), ("a", "b"), SHAPE)
    assert response(ruled_out, Rotation(), torch.rand(*SHAPE), torch.zeros(1, 1)).tolist() == [[1.0, 0.0]]


@pytest.mark.parametrize("sigma", [1e39, float("inf"), float("nan"), -1.0, "much", True, 101.0, torch.ones(2)])
def test_pixel_noise_beyond_reason_is_refused_at_once(columns, sigma):
    with pytest.raises(ValueError, match="pixel_sigma must be"):
        SmoothedClassifier(columns, Rotation(), 1.0, sigma)


# ------------------------------------------------------------------------------------------------- errors of the network


def test_errors_of_a_network_are_one_sentence_with_its_own_words():
    class Fails(Own):
        def forward(self, images: Tensor) -> Tensor:
            if float(images.max()) > 5:
                raise KeyError("no weights for\nbright images")
            return super().forward(images)

    classifier = Classifier("fails", Fails(), ("a", "b"), SHAPE)
    with pytest.raises(ValueError, match=r"'fails' does not accept .* KeyError: 'no weights for\\nbright images'"):
        SmoothedClassifier(classifier, Rotation(), 1.0, pixel_sigma=20.0).predict(torch.rand(*SHAPE), 100)

    class One(Own):
        def forward(self, images: Tensor) -> Tensor:
            return self.last(images.reshape(1, 36))

    with pytest.raises(ValueError, match="'fixed' does not accept 32 images"):
        Classifier("fixed", One(), ("a", "b"), SHAPE)


def test_another_default_type_does_not_matter():
    torch.set_default_dtype(torch.float64)
    try:
        forget_loaded()
        classifier = load_classifier("mnist-rotation")
        image = torch.rand(1, 28, 28)
        assert classifier.logits(image[None]).dtype == torch.float32
        assert SmoothedClassifier(classifier, Rotation(), 30.0, 0.3).predict(image.float(), 100).n == 100
        assert DistSPT(classifier, Rotation(), 30.0, 0.3, 5.0).certify(image, n_gamma=3).n_gamma == 3
    finally:
        torch.set_default_dtype(torch.float32)


# ------------------------------------------------------------------------------------------------ set-ups without meaning


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"class_names": "ab"}, "class_names of classifier 'own' must be a tuple or list"),
        ({"class_names": ("a", 1)}, "class_names of classifier 'own' must be printable text, but one is 1"),
        ({"class_names": (0, 1)}, "must be printable text, but one is 0"),
        ({"class_names": ("a", "b\nCONFIRMED")}, "must be printable text, but one is 'b.nCONFIRMED'"),
        ({"class_names": ("a",)}, "at least two classes"),
        ({"class_names": 2}, "must be a tuple or list"),
        ({"name": 3}, "name of a classifier must be text"),
        ({"preprocessing": Preprocessing(vignette="circle", vignette_margin=3.0)}, "would see nothing"),
        ({"preprocessing": Preprocessing(vignette="rectangle", vignette_margin=9.0)}, "would see nothing"),
        ({"input_shape": (1, 0, 6)}, "input_shape must be"),
        ({"input_shape": (36,)}, "input_shape must be"),
        ({"grid": 0.001}, "grid must be a power of two"),
    ],
)
def test_set_ups_without_meaning_are_refused(change, message):
    settings = {"name": "own", "module": Own(), "class_names": ("a", "b"), "input_shape": SHAPE}
    with pytest.raises(ValueError, match=message):
        Classifier(**settings | change)


@pytest.mark.parametrize("image", [torch.rand(*SHAPE) * 255, torch.rand(*SHAPE) - 0.5, torch.full(SHAPE, 1.00001)])
def test_values_out_of_range_are_refused_at_every_entrance(image):
    classifier = Classifier("own", Own(), ("a", "b"), SHAPE)
    for run in [
        *runs(classifier, image),
        lambda: classifier.logits(image[None]),
        lambda: classifier.check_image(image),
    ]:
        with pytest.raises(ValueError, match=r"\[0, 1\]"):
            run()


def test_scalars_of_numpy_and_torch_are_taken(columns, bright_pixel):
    plain = SmoothedClassifier(columns, Rotation(), 10.0, 0.25).certify(bright_pixel, 10, 50, 0.01, 3)
    for kind in (np.float32, np.float64, torch.tensor):
        g = SmoothedClassifier(columns, Rotation(), kind(10.0), kind(0.25))
        own = g.certify(bright_pixel, np.int64(10), torch.tensor(50), 0.01, np.int32(3))
        assert own.counts == plain.counts and own.from_json(own.to_json()) == own
    proof = DistSPT(columns, Rotation(), np.float32(10.0), torch.tensor(0.25), np.float32(5.0))
    certificate = proof.certify(
        bright_pixel, np.int64(10), n_gamma=np.int64(20), alpha=np.float64(0.01), seed=torch.tensor(3)
    )
    assert certificate.verify() and certificate.from_json(certificate.to_json()) == certificate


@pytest.mark.parametrize("alpha", [1e-320, 0.0, 1.0, float("nan"), "small", None])
def test_a_level_that_is_none_is_refused_before_the_work(columns, bright_pixel, alpha, monkeypatch):
    monkeypatch.setattr(SmoothedClassifier, "_vote", lambda *_: pytest.fail("sampled before checking alpha"))
    g = SmoothedClassifier(columns, Rotation(), 10.0, 0.2)
    defence = DistSPT(columns, Rotation(), 10.0, 0.2, 5.0)
    for run in (g.predict, g.certify, defence.certify, defence.predict):
        with pytest.raises(ValueError, match="alpha must be"):
            run(bright_pixel, alpha=alpha)
