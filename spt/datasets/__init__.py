"""Labelled pictures: bundled samples, MNIST and its kin, folders of pictures and .npz files.

`load_dataset` finds the known ones by name in `data_folder()`, which holds any of these layouts:

- ``MNIST/raw`` and ``FashionMNIST/raw``: the IDX files as torchvision unpacks them, or still gzipped (.gz); the name of
  the data set says so if they are not the published ones, and one data set's files in the other's place are refused;
- ``cifar-10-batches-py``: CIFAR-10 as torchvision downloads it; or
  ``cifar10/test.npz``, ``cifar10/train_labels.npz`` and ``cifar10/train/00.webp`` ... ``49.webp``: the .npz files as
  described at `load_npz` (the second without images; an optional ``bit_exact``, boolean, says which pictures are the
  original ones), each lossless mosaic 25 rows of 40 tiles, tile k of mosaic s being train picture 1000 s + k;
- ``gtsrb/GTSRB`` and ``gtsrb/GT-final_test.csv`` as torchvision downloads them; or ``gtsrb/test_subset.npz``;
- ``imagenet_samples``: pictures and ``labels.csv`` with columns ``file`` and ``index`` (ImageNet class, 0..999), see
  `spt.datasets.tables.read_labels`.

Numbers of images do not depend on what can be read: a picture that is damaged or missing keeps its number, and is
refused, in one sentence, when it is asked for. Captions say what had to be decided to read a picture.

Nothing here unpickles, with one exception: torchvision reads its CIFAR-10 files so, after checking their MD5.
"""

from spt.datasets.arrays import load_npz
from spt.datasets.dataset import UNKNOWN_LABEL, Dataset
from spt.datasets.gtsrb import GTSRB_CLASSES
from spt.datasets.known import DATASETS, SAMPLES_FOLDER, Source, load_dataset
from spt.datasets.mnist import FASHION_MNIST_CLASSES
from spt.datasets.storage import data_folder

__all__ = [
    "DATASETS",
    "FASHION_MNIST_CLASSES",
    "GTSRB_CLASSES",
    "SAMPLES_FOLDER",
    "UNKNOWN_LABEL",
    "Dataset",
    "Source",
    "data_folder",
    "load_dataset",
    "load_npz",
]
