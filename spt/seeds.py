"""Generators: how every random number of a run follows from its seed, its sample sizes and its settings."""

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor


def generators(
    seed: int, n0: int, n: int, first_looks: Sequence[int] = (), settings: str = ""
) -> tuple[torch.Generator, torch.Generator]:
    """Independent generators for the n0 selection and the n estimation samples of one run.

    They depend on the sizes as well (and on smaller ones at which a run may stop): a run with another n draws other
    samples. Else who watched a long run and stopped it could choose the n at which its votes looked good, and the bound
    would not hold. ``settings`` in words: a record whose settings were changed afterwards has not the samples of its seed.
    """
    key: tuple[object, ...] = (int(seed), int(n0), int(n))
    key += (tuple(first_looks),) if first_looks else ()
    key += (settings,) if settings else ()
    digest = hashlib.sha256(repr(key).encode()).digest()
    first, second = int.from_bytes(digest[:4]), int.from_bytes(digest[4:8])
    second += first == second  # the CPU's generator keeps 32 bits of a seed
    return torch.Generator().manual_seed(first), torch.Generator().manual_seed(second)


def independent_generators(count: int, purpose: str, *key: int) -> list[torch.Generator]:
    """Generators for different samples of one run; other sizes in the key give other samples (`generators`).

    Their seeds are distinct in the 32 bits that the CPU's generator keeps.
    """
    digest = hashlib.sha256(repr((purpose, *map(int, key))).encode()).digest()
    first = int.from_bytes(digest[:4])
    return [torch.Generator().manual_seed((first + i) % (1 << 32)) for i in range(count)]


def noise_seeds(count: int, generator: torch.Generator) -> Tensor:
    """(count,) seeds for the pixel noise of as many centres.

    They are distinct, also in the 32 bits that the CPU's generator keeps: no two centres share their noise.
    """
    first_seed = int(torch.randint(1 << 32, (), generator=generator))
    return (first_seed + torch.arange(count)) % (1 << 32)
