"""Options, skips and fixtures that all tests share."""

import os
import shutil
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings
from torch import Tensor, nn

from spt.classifiers import Classifier, load_classifier

REPOSITORY = Path(__file__).parent.parent

settings.register_profile("normal", max_examples=25, deadline=None, derandomize=True)
settings.register_profile(
    "slow", max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def pytest_addoption(parser):
    parser.addoption("--slow", action="store_true", help="also run the tests marked slow, and more hypothesis examples")


def pytest_configure(config):
    settings.load_profile("slow" if config.getoption("--slow") else "normal")
    torch.set_num_threads(1)  # tensors are small: a second thread waits more than it works, above all on a busy machine


def short_id(value: object) -> str:
    """What a test of many cases calls one of them: its text, or its beginning."""
    text = str(value)
    return text if len(text) <= 40 else f"{text[:39]}…"


def pytest_make_parametrize_id(config, val):
    """Texts and patterns at most so long in the names of tests; what pytest would number stays numbered."""
    return short_id(val) if isinstance(val, str | bytes) and len(val) > 40 else None


def find_chromium() -> str | None:
    """The Chromium (or Chrome) of this machine, None where there is none; browser tests start this one."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        folder = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or Path.home() / ".cache" / "ms-playwright")
        found = next(
            (str(path) for path in sorted(folder.glob("chromium*/chrome-linux*/*")) if _is_browser(path)), None
        )
    return found


def _is_browser(path: Path) -> bool:
    return path.name in ("chrome", "headless_shell", "chrome-headless-shell")


def data_folder() -> Path | None:
    """The folder that SPT_DATA names, None where it names no existing one."""
    folder = os.environ.get("SPT_DATA")
    return Path(folder) if folder and Path(folder).is_dir() else None


def pytest_collection_modifyitems(config, items):
    nameless = [item.nodeid for item in items if " at 0x" in item.nodeid]
    assert not nameless, f"names of tests that differ from run to run, which several processes cannot share: {nameless}"
    skips = {}
    if not config.getoption("--slow"):
        skips["slow"] = "needs --slow"
    if not torch.cuda.is_available():
        skips["cuda"] = "needs a CUDA device"
    if data_folder() is None:
        skips["data"] = "SPT_DATA does not name an existing folder"
    if find_chromium() is None and os.environ.get("SPT_REQUIRE_BROWSER") != "1":
        skips["browser"] = "needs Chromium (SPT_REQUIRE_BROWSER=1 makes this a failure)"
    for item in items:
        if "browser" in item.keywords:  # three processes, each with a server and a Chromium: one may wait for too long
            item.add_marker(pytest.mark.flaky(reruns=1))  # pytest's summary names what ran twice
        for marker, reason in skips.items():
            if marker in item.keywords:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of a Chromium; a test that asks for it is to be marked `browser`."""
    path = find_chromium()
    assert path is not None, "SPT_REQUIRE_BROWSER=1, but no Chromium was found"
    return path


class BrightestColumn(nn.Module):
    """Logit c is the sum of column c: the class of an image is its brightest column."""

    def forward(self, images: Tensor) -> Tensor:
        return images.sum(dim=(1, 2))


@pytest.fixture(scope="session")
def columns() -> Classifier:
    """A classifier of 3x3 images whose answer is the brightest column (the first one where columns are level).

    For the image `bright_pixel` translated by (dx, dy) these are, exactly: "left" for dx <= -1/2, "right" for
    dx > 1/2 and "middle" between, as long as |dx| < 2 and |dy| < 2; "left" where all is black.
    """
    return Classifier("columns", BrightestColumn(), ("left", "middle", "right"), (1, 3, 3))


@pytest.fixture
def bright_pixel() -> Tensor:
    """A 3x3 image, black but for its centre."""
    image = torch.zeros(1, 3, 3)
    image[0, 1, 1] = 1.0
    return image


class LeftHalf(nn.Module):
    """Class 1 where pixel (0, 0) is at least ``threshold``, else class 0."""

    def __init__(self, threshold: float) -> None:
        super().__init__()
        self.threshold = nn.Parameter(torch.tensor(threshold, dtype=torch.float32))

    def forward(self, images: Tensor) -> Tensor:
        margin = images[:, 0, 0, 0] - self.threshold
        return torch.stack([-margin, margin], dim=1)


@pytest.fixture
def threshold_classifier():
    """Makes classifiers of 1x1 images: class "bright" where the pixel is above the threshold.

    With pixel noise sigma (and a parameter that does nothing: rotation leaves a 1x1 image alone) the vote for a pixel
    of value v is "bright" with probability Phi((v - threshold) / sigma).
    """

    def make(threshold: float = 0.5) -> Classifier:
        return Classifier("threshold", LeftHalf(threshold), ("dark", "bright"), (1, 1, 1))

    return make


@pytest.fixture(scope="session")
def mnist_rotation() -> Classifier:
    """The bundled classifier that the pages start with; it ships with the project, so nothing skips without it."""
    return load_classifier("mnist-rotation")
