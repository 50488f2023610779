import gzip
import hashlib
import json
import os
import pickle
import struct
from collections import Counter
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image

from spt.datasets import (
    DATASETS,
    SAMPLES_FOLDER,
    UNKNOWN_LABEL,
    arrays,
    data_folder,
    folders,
    load_dataset,
    load_npz,
    mnist,
)
from spt.images import image_from_pixels

CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
REAL_DATA = Path(os.environ.get("SPT_DATA", ""))


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).integers(0, 256, shape, dtype=np.uint8)


def idx(values: np.ndarray) -> bytes:
    return struct.pack(f">{values.ndim + 1}I", 0x800 + values.ndim, *values.shape) + values.tobytes()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty data folder."""
    monkeypatch.setenv("SPT_DATA", str(tmp_path))
    return tmp_path


@pytest.fixture
def no_download(monkeypatch):
    monkeypatch.setattr(mnist, "download_with_torchvision", lambda *_, **__: pytest.fail("downloads"))


def write_mnist(folder: Path, count: int = 12, prefix: str = "t10k", zipped: bool = False, name: str = "MNIST"):
    images, labels = noise(count, 28, 28), (np.arange(count) % 10).astype(np.uint8)
    raw = folder / name / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    for part, values in (("images-idx3", images), ("labels-idx1", labels)):
        file = raw / f"{prefix}-{part}-ubyte"
        if zipped:
            file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(idx(values), 1))
        else:
            file.write_bytes(idx(values))
    return images, labels


def write_pictures(folder: Path, classes: dict[str, int], suffix: str = ".png", size: tuple[int, int] = (6, 5)):
    for name, count in classes.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            Image.new("RGB", size, (number, 0, 0)).save(folder / name / f"{number}{suffix}")


class TestBundled:
    def test_digits_are_in_mnists_format(self):
        digits = load_dataset("digits")
        images, labels = digits.batch(range(len(digits)))
        assert images.shape == (40, 1, 28, 28)
        assert Counter(labels.tolist()) == dict.fromkeys(range(10), 4)
        assert digits.class_names == tuple("0123456789")
        for image in images[:, 0]:
            ink = image.nonzero()
            box = ink.amax(0) - ink.amin(0) + 1
            assert box.max() in (19, 20)  # the faint edge of a stroke may round to 0
            centre = (ink * image[image > 0][:, None]).sum(0) / image.sum()
            assert (centre - 13.5).abs().max() <= 0.51
            assert image.max() > 0.95
            assert 0.05 < image.mean() < 0.25

    def test_photographs(self):
        natural = load_dataset("natural")
        images, labels = natural.batch(range(len(natural)))
        assert images.shape == (12, 3, 320, 320)
        assert ((images * 255).round() / 255 == images).all()
        assert [natural.label(i) is None for i in range(12)] == (labels == UNKNOWN_LABEL).tolist()
        assert natural.caption(0) == "natural 0: giant panda (Giant panda; by Jeff Kubina; public domain)"
        assert natural.caption(11) == "natural 11 (Eileen Collins, astronaut; by NASA; public domain)"

    def test_labels_are_imagenet_and_cifar10_classes(self):
        samples = json.loads((SAMPLES_FOLDER / "natural.json").read_text())
        imagenet = torchvision.models.ResNet50_Weights.DEFAULT.meta["categories"]
        natural = load_dataset("natural")
        for i, sample in enumerate(samples):
            for known, names in ((sample["label"], imagenet), (sample["cifar10"], CIFAR10_CLASSES)):
                assert natural.label_among(i, names) == (None if known is None else names.index(known))

    def test_every_file_is_licensed_for_shipping(self):
        licences = (SAMPLES_FOLDER / "LICENSES.md").read_text()
        samples = json.loads((SAMPLES_FOLDER / "natural.json").read_text())
        files = {file.name for file in SAMPLES_FOLDER.iterdir()} - {"LICENSES.md", "natural.json"}
        assert {sample["file"] for sample in samples} | {"digits.npz"} == files
        for sample in samples:
            assert sample["licence"] in ("CC0 1.0", "public domain")
            row = next(line for line in licences.splitlines() if f"`{sample['file']}`" in line)
            assert all(sample[fact] in row for fact in ("title", "author", "licence", "source"))
        assert "CC BY 4.0" in licences[: licences.index("## Photographs")]
        assert sum(file.stat().st_size for file in SAMPLES_FOLDER.iterdir()) < 1_500_000


class TestMnist:
    @pytest.mark.parametrize("zipped", [False, True])
    @pytest.mark.parametrize(("name", "directory"), [("mnist", "MNIST"), ("fashion-mnist", "FashionMNIST")])
    @pytest.mark.usefixtures("no_download")
    def test_reads_idx_files(self, folder, name, directory, zipped):
        images, labels = write_mnist(folder, zipped=zipped, name=directory)
        data = load_dataset(name, download=True)
        assert len(data) == 12
        assert torch.equal(data.batch(range(12))[0], image_from_pixels(images[..., None]))
        assert torch.equal(data.image(7), image_from_pixels(images[7, ..., None]))
        assert data.batch([3, 11])[1].tolist() == labels[[3, 11]].tolist()
        assert data.caption(2) == f"{name} test (not the published files) 2: {data.class_names[2]}"

    def test_splits(self, folder):
        write_mnist(folder, 5, "train")
        assert len(load_dataset("mnist", "train")) == 5
        with pytest.raises(ValueError, match="t10k-images"):
            load_dataset("mnist", "test")

    def test_reads_what_torchvision_reads(self, folder):
        write_mnist(folder)
        write_mnist(folder, 3, "train")  # torchvision wants all four files
        theirs, ours = torchvision.datasets.MNIST(str(folder), train=False), load_dataset("mnist")
        images, labels = ours.batch(range(12))
        assert torch.equal((images[:, 0] * 255).byte(), theirs.data)
        assert torch.equal(labels, theirs.targets)

    @pytest.mark.parametrize(
        ("part", "content", "message"),
        [
            ("images-idx3", b"", "cannot be read"),
            ("images-idx3", idx(noise(12, 28, 28))[:-1], "damaged"),
            ("images-idx3", idx(noise(12, 28, 28)) + b"1", "damaged"),
            ("images-idx3", idx(noise(12)), "damaged"),
            ("images-idx3", idx(noise(11, 28, 28)), "11 whole numbers"),
            ("images-idx3", idx(noise(0, 28, 28)), "no images"),
            ("labels-idx1", idx(np.full(12, 10, np.uint8)), "11 strings"),
        ],
    )
    def test_damaged_files(self, folder, part, content, message):
        write_mnist(folder)
        (folder / "MNIST" / "raw" / f"t10k-{part}-ubyte").write_bytes(content)
        with pytest.raises(ValueError, match=message):
            load_dataset("mnist")

    @pytest.mark.parametrize("content", [b"no gzip", gzip.compress(idx(noise(12, 28, 28)), mtime=0)[:-20]])
    def test_damaged_gzip(self, folder, content):
        write_mnist(folder, zipped=True)
        (folder / "MNIST/raw/t10k-images-idx3-ubyte.gz").write_bytes(content)
        with pytest.raises(ValueError, match="cannot be read"):
            load_dataset("mnist")


def object_id(content: bytes) -> str:
    """What ``git hash-object`` prints."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class TestPublishedFiles:
    """Files that are known by their content; here made-up ones stand for the published ones."""

    @pytest.fixture
    def published(self, folder, monkeypatch):
        known = {}
        for name, count in (("MNIST", 12), ("FashionMNIST", 13)):
            for prefix, more in (("train", 100), ("t10k", 0)):
                write_mnist(folder, count + more, prefix, name=name)
                for part in ("images-idx3", "labels-idx1"):
                    content = (folder / name / f"raw/{prefix}-{part}-ubyte").read_bytes()
                    known[object_id(content)] = (name, f"{prefix}-{part}")
        assert len(known) == 8
        monkeypatch.setattr(mnist, "PUBLISHED", known)
        return folder

    def test_they_have_no_remark(self, published):
        for name in ("mnist", "fashion-mnist"):
            for split in ("train", "test"):
                assert load_dataset(name, split).name == f"{name} {split}"

    def test_zipped_again(self, published):
        write_mnist(published, zipped=True)
        for part in ("images-idx3", "labels-idx1"):
            (published / f"MNIST/raw/t10k-{part}-ubyte").unlink()
        assert load_dataset("mnist").name == "mnist test"

    @pytest.mark.parametrize(("name", "theirs"), [("MNIST", "FashionMNIST"), ("FashionMNIST", "MNIST")])
    @pytest.mark.parametrize("part", ["images-idx3", "labels-idx1"])
    def test_those_of_the_other_data_set_are_refused(self, published, name, theirs, part):
        file = published / name / f"raw/t10k-{part}-ubyte"
        file.write_bytes((published / theirs / f"raw/t10k-{part}-ubyte").read_bytes())
        with pytest.raises(ValueError, match=rf"{file} is not what its name says but {theirs}'s t10k-{part}; move it"):
            load_dataset({"MNIST": "mnist", "FashionMNIST": "fashion-mnist"}[name])

    def test_those_of_the_other_split_are_refused(self, published):
        raw = published / "MNIST/raw"
        (raw / "t10k-images-idx3-ubyte").write_bytes((raw / "train-images-idx3-ubyte").read_bytes())
        with pytest.raises(ValueError, match="but MNIST's train-images-idx3; move it"):
            load_dataset("mnist")

    def test_what_else_is_there_is_served_and_said(self, published):
        raw = published / "MNIST/raw"
        (raw / "t10k-labels-idx1-ubyte").write_bytes(idx(np.zeros(12, np.uint8)))
        assert load_dataset("mnist").caption(3) == "mnist test (not the published labels) 3: 0"
        write_mnist(published, 9)
        assert load_dataset("mnist").name == "mnist test (not the published files)"

    def test_looked_at_once_until_the_file_changes(self, published, monkeypatch):
        load_dataset("mnist")
        counted = []
        sha1 = hashlib.sha1
        monkeypatch.setattr(mnist.hashlib, "sha1", lambda *a, **b: counted.append(len(a[0])) or sha1(*a, **b))
        load_dataset("mnist")
        assert not counted
        write_mnist(published, 9)
        assert load_dataset("mnist").name.endswith("(not the published files)")
        assert len(counted) == 2


class TestDownload:
    @pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "cifar10", "gtsrb"])
    @pytest.mark.parametrize("split", ["train", "test"])
    def test_what_is_missing_is_said_with_a_remedy(self, folder, name, split):
        with pytest.raises(ValueError, match=f"{name} is not here yet.*{folder}.*download=True.*SPT_DATA"):
            load_dataset(name, split)

    def test_no_remedy_that_does_not_help(self, folder):
        with pytest.raises(ValueError, match="SPT_DATA") as caught:
            load_dataset("imagenet-samples", download=True)
        assert "download" not in str(caught.value)

    @pytest.mark.parametrize(
        "error", [URLError("no route to host"), RuntimeError("Error downloading\nTried"), OSError(30, "read-only")]
    )
    @pytest.mark.parametrize(("name", "theirs"), [("mnist", "MNIST"), ("cifar10", "CIFAR10"), ("gtsrb", "GTSRB")])
    def test_no_network(self, folder, monkeypatch, name, theirs, error):
        def fail(*_, **__):
            raise error

        monkeypatch.setattr(torchvision.datasets, theirs, fail)
        with pytest.raises(
            ValueError, match=f"{name} could not be downloaded to {folder}.*check the network"
        ) as caught:
            load_dataset(name, download=True)
        assert "\n" not in str(caught.value)
        assert caught.value.__cause__ is error

    def test_downloads_what_is_missing_and_shows_it(self, folder, monkeypatch):
        seen = []

        def mnist(root, train, download):
            assert (root, train, download) == (str(folder), True, True)
            seen.append("downloaded")
            write_mnist(folder, 7, "train")

        def progress(items, desc, total):
            seen.append((desc, total))
            return iter(items)

        monkeypatch.setattr(torchvision.datasets, "MNIST", mnist)
        assert len(load_dataset("mnist", "train", download=True, progress=progress)) == 7
        assert len(load_dataset("mnist", "train", download=True, progress=progress)) == 7
        assert seen == [("Downloading mnist", 1), "downloaded"]

    def test_data_folder(self, monkeypatch):
        monkeypatch.setenv("SPT_DATA", "/somewhere/else")
        assert data_folder() == Path("/somewhere/else")
        monkeypatch.delenv("SPT_DATA")
        assert data_folder() == Path("data")


class TestCifar10:
    def test_mosaics(self, folder):
        tiles, labels = noise(1000, 32, 32, 3), np.arange(1000) % 10
        mosaic = np.concatenate([np.concatenate(list(tiles[40 * row : 40 * row + 40]), axis=1) for row in range(25)])
        (folder / "cifar10/train").mkdir(parents=True)
        Image.fromarray(mosaic).save(folder / "cifar10/train/00.webp", lossless=True, quality=0)
        exact = np.arange(1000) != 41
        np.savez(folder / "cifar10/train_labels.npz", labels=labels, class_names=CIFAR10_CLASSES, bit_exact=exact)
        seen = []
        train = load_dataset(
            "cifar10", "train", progress=lambda items, desc, total: seen.append((desc, total)) or items
        )
        assert seen == [("Reading cifar10", 1)]
        for i in (0, 39, 40, 999):
            assert torch.equal(train.image(i), image_from_pixels(tiles[i]))
        assert train.caption(40) == "cifar10 train 40: airplane"
        assert train.caption(41) == "cifar10 train 41: automobile (lossy copy of the original)"

        Image.new("RGB", (640, 800)).save(folder / "cifar10/train/00.webp")
        with pytest.raises(ValueError, match=r"00\.webp must be an RGB picture of 1280 x 800"):
            load_dataset("cifar10", "train")
        (folder / "cifar10/train/00.webp").unlink()
        with pytest.raises(ValueError, match=r"there is no .*00\.webp"):
            load_dataset("cifar10", "train")

    def test_test_set(self, folder):
        (folder / "cifar10").mkdir()
        images = noise(5, 32, 32, 3)
        np.savez(folder / "cifar10/test.npz", images=images, labels=np.arange(5), class_names=CIFAR10_CLASSES)
        test = load_dataset("cifar10")
        assert (len(test), test.class_names, test.label(4)) == (5, CIFAR10_CLASSES, 4)
        assert torch.equal(test.batch([4, 1])[0], image_from_pixels(images[[4, 1]]))

    def test_torchvisions_files_are_checked_before_they_are_unpickled(self, folder, monkeypatch):
        base = folder / "cifar-10-batches-py"
        base.mkdir()
        pixels = noise(6, 3, 32, 32)
        contents = {
            "test_batch": {"data": pixels.reshape(6, -1), "labels": [5, 4, 3, 2, 1, 0]},
            "batches.meta": {"label_names": list(CIFAR10_CLASSES)},
        }
        sums = {}
        for name, content in contents.items():
            (base / name).write_bytes(pickle.dumps(content))
            sums[name] = hashlib.md5((base / name).read_bytes()).hexdigest()
        with pytest.raises(ValueError, match="cifar-10-batches-py is incomplete or damaged"):
            load_dataset("cifar10")

        theirs = torchvision.datasets.CIFAR10
        monkeypatch.setattr(theirs, "train_list", [])
        monkeypatch.setattr(theirs, "test_list", [["test_batch", sums["test_batch"]]])
        meta = {"filename": "batches.meta", "key": "label_names", "md5": sums["batches.meta"]}
        monkeypatch.setattr(theirs, "meta", meta)
        test = load_dataset("cifar10")
        assert torch.equal(test.image(2), torch.from_numpy(pixels[2]) / 255)
        assert (test.label(0), test.class_names) == (5, CIFAR10_CLASSES)


class TestGtsrb:
    def test_torchvisions_layout(self, folder):
        (folder / "gtsrb/GTSRB/Final_Test/Images").mkdir(parents=True)
        (folder / "gtsrb/GTSRB/Training/00014").mkdir(parents=True)
        Image.new("RGB", (40, 41), (9, 8, 7)).save(folder / "gtsrb/GTSRB/Training/00014/00000_00000.ppm")
        Image.new("RGB", (25, 26), (1, 2, 3)).save(folder / "gtsrb/GTSRB/Final_Test/Images/00000.ppm")
        (folder / "gtsrb/GT-final_test.csv").write_text("Filename;Width;Height;ClassId\n00000.ppm;25;26;42\n")
        train, test = load_dataset("gtsrb", "train"), load_dataset("gtsrb")
        assert train.caption(0) == "gtsrb train 0: Stop"
        assert test.caption(0) == "gtsrb test 0: End of no passing for trucks"
        assert torch.equal(test.batch([0])[0], (torch.tensor([1, 2, 3]) / 255).view(1, 3, 1, 1).expand(1, 3, 32, 32))
        assert len(test.class_names) == 43

    def test_subset(self, folder):
        (folder / "gtsrb").mkdir()
        np.savez(folder / "gtsrb/test_subset.npz", images=noise(3, 32, 32, 3), labels=[0, 14, 42])
        subset = load_dataset("gtsrb")
        assert [subset.caption(i) for i in (1, 2)] == [
            "gtsrb test subset 1: Stop",
            "gtsrb test subset 2: End of no passing for trucks",
        ]
        np.savez(folder / "gtsrb/test_subset.npz", images=noise(3, 32, 32, 3), labels=[0, 14, 43])
        with pytest.raises(ValueError, match="must be GTSRB's, 0 to 42, but go up to 43"):
            load_dataset("gtsrb")


def test_imagenet_samples(folder):
    write_pictures(folder, {"imagenet_samples": 2}, ".jpg", (50, 40))
    (folder / "imagenet_samples/labels.csv").write_text("file,index,name\n1.jpg,0,tench\n0.jpg,388,giant panda\n")
    samples = load_dataset("imagenet-samples", shape=(3, 32, 32))
    assert [samples.caption(i) for i in (0, 1)] == ["imagenet-samples 0: tench", "imagenet-samples 1: giant panda"]
    assert samples.batch([0, 1])[0].shape == (2, 3, 32, 32)


ROWS = "1.jpg,0,tench", "0.jpg,388,giant panda"
TABLES = {  # what is written in labels.csv, by line, and what is said
    "empty": ([], "must name the columns file and index|lists no pictures"),
    "no rows": (["file,index"], "lists no pictures"),
    "no column file": (["picture,index", *ROWS], "line 1: .* there is no column 'file' in picture, index"),
    "no column index": (["file;label", "1.jpg;3"], "line 1: .* there is no column 'index' in file, label"),
    "no header": (list(ROWS), "line 1: .* there is no column 'file' in 1.jpg, 0, tench"),
    "two columns index": (["file,index,index", "1.jpg,3,4"], "line 1: .* there are 2 columns 'index'"),
    "label -1": (["file,index,name", ROWS[0], "0.jpg,-1,?"], "line 3: index must be .* 0 to 999, but is '-1'"),
    "label beyond": (["file,index,name", "", ROWS[0], "0.jpg,1000,?"], "line 4: index must be .* but is '1000'"),
    "half a label": (["file,index", "0.jpg,207.5"], "line 2: index must be .* but is '207.5'"),
    "no label": (["file,index", "0.jpg,"], "line 2: index must be .* but is ''"),
    "label a name": (["file,index", "0.jpg,tench"], "line 2: index must be .* but is 'tench'"),
    "label of many digits": (["file,index", "0.jpg," + "9" * 5000], "line 2: index must be"),
    "short row": (["file,index,name", "0.jpg,3"], "line 2: there must be 3 values .* but there are 2"),
    "long row": (["file,index,name", "0.jpg,3,bird, small"], "line 2: there must be 3 values .* but there are 4"),
    "no file name": (["file,index", ",3"], "line 2: file must name a file in .*, but is ''"),
    "outside": (["file,index", "../0.jpg,3"], r"line 2: file must name a file in .*imagenet_samples, but is '\.\./0"),
    "absolute": (["file,index", "/etc/passwd,3"], "line 2: file must name a file in .*, but is '/etc/passwd'"),
    "twice": (["file,index", "0.jpg,3", "0.jpg,4"], "line 3: file '0.jpg' is in line 2 already"),
    "open quotation": (["file,index", '"0.jpg,3'], "line 2: it is no row of values"),
}


class TestTables:
    def load(self, folder: Path, text: str | bytes):
        write_pictures(folder, {"imagenet_samples": 2}, ".jpg", (50, 40))
        content = text.encode() if isinstance(text, str) else text
        (folder / "imagenet_samples/labels.csv").write_bytes(content)
        return load_dataset("imagenet-samples", shape=(3, 32, 32))

    @pytest.mark.parametrize(
        "text",
        [
            "file,index,name\n1.jpg,0,tench\n0.jpg,388,giant panda\n",
            "\ufefffile,index,name\r\n1.jpg,0,tench\r\n0.jpg,388,giant panda\r\n",
            "file;index;name\n1.jpg;0;tench, fish\n0.jpg;388;giant panda",
            "name\tindex\tfile\ntench\t0\t1.jpg\n\ngiant panda\t388\t0.jpg\n",
            'file,index,name\n"1.jpg","0","tench, fish"\n 0.jpg , 388.0 , panda\n,,\n',
            "file,index\n1.jpg,000,\n0.jpg,388,\n",
        ],
    )
    def test_what_is_understood(self, folder, text):
        samples = self.load(folder, text)
        assert [samples.caption(i) for i in (0, 1)] == ["imagenet-samples 0: tench", "imagenet-samples 1: giant panda"]
        assert [file.name for file in samples.pictures] == ["1.jpg", "0.jpg"]
        assert samples.batch([0, 1])[0].shape == (2, 3, 32, 32)

    @pytest.mark.parametrize("case", TABLES)
    def test_what_is_refused(self, folder, case):
        lines, message = TABLES[case]
        with pytest.raises(ValueError, match=message) as caught:
            self.load(folder, "\n".join(lines))
        assert "labels.csv" in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_other_encodings(self, folder):
        with pytest.raises(ValueError, match=r"labels\.csv is not text in UTF-8"):
            self.load(folder, "file,index\nköter.jpg,200\n".encode("latin-1"))

    def test_a_picture_that_is_not_there_keeps_its_number(self, folder):
        samples = self.load(folder, "file,index\n1.jpg,0\nno.jpg,3\nsub/2.jpg,4\n0.jpg,388\n")
        assert (samples.caption(1), samples.caption(3)) == (
            "imagenet-samples 1: tiger shark",
            "imagenet-samples 3: giant panda",
        )
        assert samples.image(3).shape == (3, 32, 32)
        for number, line, name in ((1, 3, "no.jpg"), (2, 4, "sub/2.jpg")):
            with pytest.raises(ValueError, match=rf"labels\.csv, line {line}: there is no file .*/{name}; put"):
                samples.image(number)

    def test_gtsrb(self, folder):
        (folder / "gtsrb/GTSRB/Final_Test/Images").mkdir(parents=True)
        (folder / "gtsrb/GT-final_test.csv").write_text("Filename;Width;ClassId\n00000.ppm;25;43\n")
        with pytest.raises(ValueError, match=r"GT-final_test\.csv, line 2: ClassId must be .* 0 to 42, but is '43'"):
            load_dataset("gtsrb")

    @pytest.mark.parametrize("name", ["00043", "stop", "3"])
    def test_gtsrb_folders_are_its_classes(self, folder, name):
        write_pictures(folder / "gtsrb/GTSRB/Training", {"00014": 1, name: 1}, ".ppm")
        with pytest.raises(ValueError, match=f"00000 to 00042, but .*0.ppm is in '{name}'"):
            load_dataset("gtsrb", "train")

    def test_gtsrb_without_pictures(self, folder):
        (folder / "gtsrb/GTSRB/Training/00001").mkdir(parents=True)
        (folder / "gtsrb/GTSRB/Training/00001/._0.ppm").write_bytes(b"")
        with pytest.raises(ValueError, match="has no pictures"):
            load_dataset("gtsrb", "train")


class TestFolder:
    def test_a_folder_for_each_class(self, tmp_path):
        write_pictures(tmp_path / "pets", {"dog": 2, "cat": 3})
        (tmp_path / "pets/cat/notes.txt").write_text("no picture")
        (tmp_path / "pets/.cache").mkdir()
        for split in ("train", "test"):
            pets = load_dataset(tmp_path / "pets", split)
            assert (pets.name, pets.class_names, len(pets)) == ("pets", ("cat", "dog"), 5)
            images, labels = pets.batch(range(5))
            assert labels.tolist() == [0, 0, 0, 1, 1]
            assert (images[:, 0, 0, 0] * 255).round().tolist() == [0, 1, 2, 0, 1]

    def test_splits(self, tmp_path):
        write_pictures(tmp_path / "pets/train", {"a": 3})
        write_pictures(tmp_path / "pets/val", {"a": 1, "b": 1})
        assert load_dataset(str(tmp_path / "pets"), "train").caption(1) == "pets/train 1: a"
        assert load_dataset(str(tmp_path / "pets"), "test").caption(1) == "pets/val 1: b"
        write_pictures(tmp_path / "pets/test", {"c": 1})
        assert load_dataset(str(tmp_path / "pets"), "test").caption(0) == "pets/test 0: c"

    @pytest.mark.parametrize(("there", "split"), [("train", "test"), ("test", "train"), ("val", "train")])
    def test_a_split_that_is_not_there_is_no_class(self, tmp_path, there, split):
        write_pictures(tmp_path / there, {"a": 1, "b": 1})
        with pytest.raises(ValueError, match=f"no '{split}' split: there are class folders in {there}, but none in"):
            load_dataset(tmp_path, split)

    def test_pictures_without_class_are_no_split(self, tmp_path):
        write_pictures(tmp_path / "train", {"a": 1})
        write_pictures(tmp_path, {"test": 2})
        with pytest.raises(ValueError, match="no 'test' split"):
            load_dataset(tmp_path)

    def test_a_class_may_be_called_train(self, tmp_path):
        write_pictures(tmp_path / "vehicles", {"bus": 1, "train": 1})
        for split in ("train", "test"):
            assert load_dataset(tmp_path / "vehicles", split).caption(1) == "vehicles 1: train"

    def test_what_is_no_picture_of_a_person_never_counts(self, tmp_path):
        write_pictures(tmp_path, {"cat": 2, "dog": 2})
        expected = load_dataset(tmp_path)
        for name in ("cat/._0.png", "cat/.hidden.png", "cat/Thumbs.db", "cat/.DS_Store", "dog/desktop.ini", "._dog"):
            (tmp_path / name).write_bytes(b"no picture")
        (tmp_path / "__MACOSX/cat").mkdir(parents=True)
        (tmp_path / "__MACOSX/cat/._1.png").write_bytes(b"no picture")
        (tmp_path / "cat/@eaDir").mkdir()
        Image.new("RGB", (4, 4)).save(tmp_path / "cat/@eaDir/thumb.png")
        (tmp_path / "dog/0.jpg").mkdir()
        found = load_dataset(tmp_path)
        assert (found.class_names, found.pictures, found.labels) == (
            expected.class_names,
            expected.pictures,
            expected.labels,
        )

    @pytest.mark.parametrize("broken", ["empty", "text", "link to nothing", "pipe"])
    def test_what_cannot_be_read_keeps_its_number(self, tmp_path, broken):
        write_pictures(tmp_path / "pets", {"cat": 3})
        file = tmp_path / "pets/cat/1.png"
        file.unlink()
        if broken == "link to nothing":
            file.symlink_to(tmp_path / "nowhere.png")
        elif broken == "pipe":
            os.mkfifo(file)
        else:
            file.write_bytes(b"" if broken == "empty" else b"hello")
        pets = load_dataset(tmp_path / "pets")
        assert (len(pets), (pets.image(2)[0] * 255).unique().tolist()) == (3, [2])
        assert pets.caption(1) == "pets 1: cat"
        with pytest.raises(ValueError, match=r"cat/1\.png ") as caught:
            pets.image(1)
        assert str(caught.value).endswith(".") and ". " not in str(caught.value)

    def test_links_and_capital_letters(self, tmp_path):
        write_pictures(tmp_path / "elsewhere", {"x": 2})
        (tmp_path / "pets/dog").mkdir(parents=True)
        (tmp_path / "pets/cat").symlink_to(tmp_path / "elsewhere/x")
        (tmp_path / "pets/dog/A.PNG").symlink_to(tmp_path / "elsewhere/x/1.png")
        Image.new("RGB", (6, 5), (9, 0, 0)).save(tmp_path / "pets/dog/b.JPG", "JPEG")
        pets = load_dataset(tmp_path / "pets")
        assert [pets.caption(i) for i in range(4)] == ["pets 0: cat", "pets 1: cat", "pets 2: dog", "pets 3: dog"]
        assert [file.name for file in pets.pictures] == ["0.png", "1.png", "A.PNG", "b.JPG"]
        assert pets.batch(range(4))[0].shape == (4, 3, 5, 6)

    @pytest.mark.parametrize("where", ["cat/persian", "cat/a/b"])
    def test_folders_in_class_folders(self, tmp_path, where):
        write_pictures(tmp_path, {"cat": 1, where: 1})
        with pytest.raises(ValueError, match=f"one folder of pictures for each class, but .*{where}/0.png is in"):
            load_dataset(tmp_path)

    def test_an_empty_folder_in_a_class_folder_and_a_circle(self, tmp_path):
        write_pictures(tmp_path, {"cat": 1})
        (tmp_path / "cat/empty").mkdir()
        (tmp_path / "cat/empty/circle").symlink_to(tmp_path)
        assert len(load_dataset(tmp_path)) == 1

    def test_the_folder_one_is_in(self, tmp_path, monkeypatch):
        write_pictures(tmp_path / "pets", {"cat": 1})
        monkeypatch.chdir(tmp_path / "pets")
        assert load_dataset(".").caption(0) == "pets 0: cat"

    def test_a_folder_that_must_not_be_read(self, tmp_path, monkeypatch):
        def refuse(path: Path) -> None:
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr(folders.os, "scandir", refuse)
        with pytest.raises(ValueError, match=rf"{tmp_path} cannot be read \(Permission denied\)"):
            load_dataset(tmp_path)

    def test_what_was_decided_about_a_picture_is_in_its_caption(self, tmp_path):
        (tmp_path / "scans/cell").mkdir(parents=True)
        values = np.array([[0, 9, 200]], np.uint16)
        Image.fromarray(values).save(tmp_path / "scans/cell/a.png")
        scans = load_dataset(tmp_path / "scans")
        assert (scans.image(0) * 255).round().tolist() == [values.tolist()]
        assert scans.caption(0) == "scans 0: cell (16-bit values 0 to 200, read as 0 to 255)"
        Image.fromarray(np.uint8(values)).save(tmp_path / "scans/cell/a.png")
        assert scans.caption(0) == "scans 0: cell"

    def test_sizes_that_differ_need_a_shape(self, tmp_path):
        write_pictures(tmp_path / "a", {"x": 1}, size=(6, 5))
        write_pictures(tmp_path / "a", {"y": 1}, size=(7, 5))
        assert load_dataset(tmp_path / "a").image(1).shape == (3, 5, 7)
        with pytest.raises(ValueError, match=r"\[\(3, 5, 6\), \(3, 5, 7\)\]; load the data set with a shape"):
            load_dataset(tmp_path / "a").batch([0, 1])
        assert load_dataset(tmp_path / "a", shape=(1, 4, 4)).batch([0, 1])[0].shape == (2, 1, 4, 4)

    def test_imagenets_wordnet_ids_get_its_names(self, tmp_path, monkeypatch):
        ids = [f"n{number:08}" for number in range(1000)]
        for name in ids:
            (tmp_path / name).mkdir()
        Image.new("RGB", (4, 4)).save(tmp_path / "n00000388/a.JPEG")
        assert load_dataset(tmp_path).caption(0).endswith("0: n00000388")  # 1000 others of WordNet's ids
        monkeypatch.setattr(folders, "IMAGENET_IDS_SHA256", hashlib.sha256(" ".join(ids).encode()).hexdigest())
        assert load_dataset(tmp_path).caption(0).endswith("0: giant panda")

    def test_no_pictures(self, tmp_path):
        (tmp_path / "cat").mkdir()
        with pytest.raises(ValueError, match=r"has no pictures in class folders; put them into .*/<class>/"):
            load_dataset(tmp_path)

    def test_a_broken_picture_is_named(self, tmp_path):
        (tmp_path / "cat").mkdir()
        (tmp_path / "cat/broken.png").write_bytes(b"hello")
        with pytest.raises(ValueError, match=r"cat/broken\.png is not a picture"):
            load_dataset(tmp_path).image(0)


class RunsWhenUnpickled:
    def __reduce__(self):
        return (pytest.fail, ("unpickled",))


GOOD = {"images": noise(4, 6, 5, 3), "labels": np.array([0, 1, 2, 1]), "class_names": np.array(["a", "b", "c"])}
BAD = {
    "no images": ({"images": None}, "it has no images, only labels, class_names"),
    "no labels": ({"labels": None}, "it has no labels"),
    "floats": ({"images": GOOD["images"] / 255}, r"must be uint8 .* but are float64 \(4, 6, 5, 3\)"),
    "channels first": ({"images": noise(4, 3, 6, 5)}, "put channels last"),
    "one image only": ({"images": noise(6, 5)}, "must be uint8 of shape"),
    "empty": ({"images": noise(0, 6, 5), "labels": np.zeros(0, int)}, "no images"),
    "zero width": ({"images": noise(4, 6, 0)}, "no images"),
    "too few labels": ({"labels": np.array([0, 1, 2])}, "must be 4 whole numbers"),
    "labels one-hot": ({"labels": np.eye(4, 3, dtype=int)}, r"int64 \(4, 3\)"),
    "labels are floats": ({"labels": np.array([0.0, 1, 2, 1])}, r"must be 4 whole numbers.*labels\.astype\(int\)"),
    "labels are objects": ({"labels": np.array([0, 1, 2, 1], object)}, "Object arrays cannot be loaded.*own type"),
    "labels are names": ({"labels": np.array(["a", "b", "c", "b"])}, "must be 4 whole numbers"),
    "label below 0": ({"labels": np.array([0, 1, -1, 1])}, "go from -1 to 1"),
    "label of no class": ({"labels": np.array([0, 1, 3, 1])}, "must be 4 strings or more"),
    "label beyond reason": ({"labels": np.array([0, 1, 2**40, 1]), "class_names": None}, "count from 0"),
    "names are numbers": ({"class_names": np.arange(3)}, "must be 3 strings or more"),
    "names are bytes": ({"class_names": np.array([b"a", b"b", b"c"])}, r"but are \|S1 \(3,\); save them with"),
    "names are objects": ({"class_names": np.array(["a", "b", "c"], object)}, "Object arrays cannot be loaded"),
    "too few names": ({"class_names": np.array(["a", "b"])}, r"must be 3 strings or more.* but are <U1 \(2,\)"),
    "floats in 0..1": ({"images": np.ones((4, 6, 5), np.float32)}, r"but are float32 \(4, 6, 5\); scale values"),
    "one dimension more": ({"images": noise(4, 1, 6, 5, 3)}, "must be uint8 of shape"),
    "with opacity": ({"images": noise(4, 6, 5, 4)}, "must be uint8 of shape"),
    "object images": ({"images": np.array([RunsWhenUnpickled()] * 4)}, "Object arrays cannot be loaded"),
    "object names": ({"class_names": np.array([RunsWhenUnpickled()] * 3)}, "Object arrays cannot be loaded"),
    "flags of another length": ({"bit_exact": np.ones(3, bool)}, "must be 4 booleans"),
}


class TestNpz:
    def write(self, folder: Path, **changes) -> Path:
        arrays = {name: value for name, value in (GOOD | changes).items() if value is not None}
        np.savez(folder / "mine.npz", **arrays)
        return folder / "mine.npz"

    @pytest.mark.parametrize("shape", [(4, 6, 5), (4, 6, 5, 1), (4, 6, 5, 3), (4, 6, 3)])
    def test_shapes(self, tmp_path, shape):
        pixels = noise(*shape)
        data = load_dataset(self.write(tmp_path, images=pixels))
        expected = image_from_pixels(pixels if pixels.ndim == 4 else pixels[..., None])
        images, labels = data.batch(range(4))
        assert torch.equal(images, expected)
        assert torch.equal(data.image(3), expected[3])
        assert labels.tolist() == [0, 1, 2, 1]
        assert (data.name, data.class_names) == ("mine", ("a", "b", "c"))

    def test_class_names_are_optional(self, tmp_path):
        assert load_npz(self.write(tmp_path, class_names=None)).class_names == ("0", "1", "2")

    def test_compressed_and_other_integers(self, tmp_path):
        np.savez_compressed(tmp_path / "c.npz", **(GOOD | {"labels": GOOD["labels"].astype(np.uint8)}))
        assert load_npz(tmp_path / "c.npz").label(2) == 2

    @pytest.mark.parametrize("case", BAD)
    def test_bad_arrays(self, tmp_path, case):
        changes, message = BAD[case]
        with pytest.raises(ValueError, match=message) as caught:
            load_npz(self.write(tmp_path, **changes))
        assert "mine.npz" in str(caught.value)
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("content", [b"", b"hello", pickle.dumps(RunsWhenUnpickled()), b"PK\x03\x04 and so on"])
    def test_no_npz_file(self, tmp_path, content):
        (tmp_path / "mine.npz").write_bytes(content)
        with pytest.raises(ValueError, match=r"mine\.npz cannot be read as a data set"):
            load_npz(tmp_path / "mine.npz")

    def test_capital_suffix(self, tmp_path):
        path = self.write(tmp_path).rename(tmp_path / "MINE.NPZ")
        assert load_dataset(path).caption(2) == "MINE 2: c"

    def test_damaged(self, tmp_path):
        content = bytearray(self.write(tmp_path).read_bytes())
        content[200] ^= 255
        (tmp_path / "mine.npz").write_bytes(content)
        with pytest.raises(ValueError, match="cannot be read as a data set"):
            load_npz(tmp_path / "mine.npz")

    def test_too_large_unpacked(self, tmp_path, monkeypatch):
        np.savez_compressed(tmp_path / "bomb.npz", **(GOOD | {"images": np.zeros((4, 500, 500), np.uint8)}))
        monkeypatch.setattr(arrays, "MAX_NPZ_BYTES", 900_000)
        assert (tmp_path / "bomb.npz").stat().st_size < 10_000
        monkeypatch.setattr(np, "load", lambda *_, **__: pytest.fail("unpacked"))
        with pytest.raises(ValueError, match="unpacks to"):
            load_npz(tmp_path / "bomb.npz")


class TestLoad:
    @pytest.mark.parametrize("name", ["imagenet", "no/such/folder", "missing.npz", "", "../digits"])
    def test_unknown_name_lists_the_known_ones(self, name):
        with pytest.raises(ValueError, match=f"no data set '{name}'") as caught:
            load_dataset(name)
        assert all(known in str(caught.value) for known in DATASETS)

    def test_split(self):
        with pytest.raises(ValueError, match="split must be 'train' or 'test', but is 'validation'"):
            load_dataset("mnist", "validation")
        for name in ("digits", "natural"):
            with pytest.raises(ValueError, match=f"{name} has no 'train' split, only 'test'"):
                load_dataset(name, "train")

    @pytest.mark.parametrize("index", [-1, 40])
    @pytest.mark.parametrize("method", ["image", "label", "caption"])
    def test_index(self, index, method):
        with pytest.raises(ValueError, match=f"images 0 to 39, but number {index}"):
            getattr(load_dataset("digits"), method)(index)

    def test_index_in_a_batch(self):
        with pytest.raises(ValueError, match="number 40"):
            load_dataset("digits").batch([0, 40])

    def test_empty_batch_of_an_array(self):
        images, labels = load_dataset("digits").batch([])
        assert (images.shape, labels.shape) == ((0, 1, 28, 28), (0,))

    def test_shape(self):
        images, _ = load_dataset("digits", shape=(3, 32, 32)).batch([0, 1])
        assert images.shape == (2, 3, 32, 32)
        assert torch.equal(images[:, 0], images[:, 2])

    def test_label_among_other_names(self):
        digits = load_dataset("digits")
        assert digits.label_among(7, digits.class_names) == 7
        assert digits.label_among(7, ("9", "8", "7")) == 2
        assert digits.label_among(7, ("seven", "eight")) is None
        assert digits.label_among(7, ("7", "7")) is None


@pytest.mark.data
@pytest.mark.skipif(not REAL_DATA.name or not REAL_DATA.is_dir(), reason="SPT_DATA names no folder")
class TestRealData:
    def load(self, name: str, split: str = "test", **settings):
        """What is there; a split that the folder lacks is skipped."""
        try:
            return load_dataset(name, split, **settings)
        except ValueError as error:
            if "is not here yet" not in str(error):
                raise
            pytest.skip(str(error))

    # SHA-256 of the published IDX files.
    @pytest.mark.parametrize(
        ("name", "split", "images_sum", "first"),
        [
            ("mnist", "test", "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7", [7, 2, 1, 0, 4]),
            ("mnist", "train", "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db", [5, 0, 4, 1, 9]),
            (
                "fashion-mnist",
                "test",
                "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
                [9, 2, 1, 1, 6],
            ),
        ],
    )
    def test_mnist_is_bit_exact(self, name, split, images_sum, first):
        data = self.load(name, split)
        assert data.name == f"{name} {split}"
        assert hashlib.sha256(idx(data.pictures[..., 0])).hexdigest() == images_sum
        assert data.batch(range(5))[1].tolist() == first

    @pytest.mark.parametrize("names", [("MNIST", "FashionMNIST"), ("FashionMNIST", "MNIST")])
    def test_one_for_the_other_is_refused(self, folder, names):
        there, theirs = names
        for part in ("images-idx3", "labels-idx1"):
            file = f"raw/t10k-{part}-ubyte.gz"
            if not (REAL_DATA / theirs / file).is_file():
                pytest.skip(f"no {REAL_DATA / theirs / file}")
            (folder / there / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / there / file).write_bytes((REAL_DATA / theirs / file).read_bytes())
        with pytest.raises(ValueError, match=f"is not what its name says but {theirs}'s t10k-images-idx3"):
            load_dataset("mnist" if there == "MNIST" else "fashion-mnist")

    def test_cifar10_test(self):
        data = self.load("cifar10")
        assert np.bincount(data.labels).tolist() == [1000] * 10
        assert [data.class_names[data.label(i)] for i in range(5)] == ["cat", "ship", "ship", "airplane", "frog"]
        assert (data.image(0)[:, 0, 0] * 255).round().tolist() == [158, 112, 49]

    @pytest.mark.slow
    def test_cifar10_train(self):
        data = self.load("cifar10", "train")
        assert np.bincount(data.labels).tolist() == [5000] * 10
        assert [data.class_names[data.label(i)] for i in range(4)] == ["frog", "truck", "truck", "deer"]
        assert (data.image(0)[:, 0, 0] * 255).round().tolist() == [59, 62, 63]

    def test_gtsrb(self):
        data = self.load("gtsrb")
        assert data.batch(range(20))[0].shape == (20, 3, 32, 32)
        assert set(np.unique(data.labels)) == set(range(43))

    def test_imagenet_samples(self):
        data = self.load("imagenet-samples", shape=(3, 64, 64))
        assert data.batch(range(0, len(data), 30))[0].shape[1:] == (3, 64, 64)
        assert data.caption(1) == "imagenet-samples 1: tiger shark"
