"""Table 12: deterministic verification of a small network, with and without vignette, in the role of DeepG."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

from spt.experiments.experiment import Cell, Experiment, Row, Rows, Share, mean


@dataclass(frozen=True)
class Table12(Experiment):
    """The network f itself, without smoothing, is verified against all attacks of the range, as it is and behind a vignette.

    Attributes (see also `Experiment`):
        limit: attack range ± in ° or px.
        method, width, min_width: of the bounds and of the splits, see `spt.verification.verify`.
        max_evaluations: splits bounded for one image before it is given up.
        attacker: "8-bit" or "exact".
    """

    name: ClassVar[str] = "table12"
    title: ClassVar[str] = "Table 12: deterministic verification"
    question: ClassVar[str] = (
        "For how many images is a small network proved right on the whole attack range, without sampling?"
    )
    note: ClassVar[str] = (
        "Ours verifies a smaller network trained for it, with our interval enclosures of each split and CROWN, for images stored "
        "in 8 bits; the paper ran DeepG on DeepG's networks. With V a vignette is put before the same network, as in the paper."
    )
    classifiers: ClassVar[Mapping[tuple[str, str], str]] = {
        (dataset, transform): "mnist-verifiable"
        for dataset in ("mnist", "digits")
        for transform in ("rotation", "translation")
    }
    variants: ClassVar[Mapping[tuple[str, str], Mapping[str, Any]]] = {("any", "translation"): {"limit": 1.0}}
    quick: ClassVar[Mapping[str, Any]] = {"dataset": "digits", "images": 10, "limit": 10.0}

    classifier: str = "mnist-verifiable"
    limit: float = 30.0
    method: Literal["ibp", "crown-ibp", "crown"] = "crown-ibp"
    width: float = 1.0
    min_width: float = 0.05
    max_evaluations: int = 5000
    attacker: Literal["8-bit", "exact"] = "8-bit"

    def measure(self, stage: str, item: int, earlier: Rows, device: str) -> Row:
        from spt.verification import in_float32, verify

        own = in_float32(self.classifier).to(device)
        data, transform = self.load_images(own.input_shape), self.load_transform()
        index = self.first + item
        image, truth = data.image(index), data.label_among(index, own.class_names)
        shape: Literal["circle", "rectangle"] = "circle" if self.transform == "rotation" else "rectangle"
        vignette = replace(own.preprocessing, vignette=shape, vignette_margin=2.0 if shape == "circle" else 4.0)
        row: Row = {"image": index, "truth": truth}
        seconds = 0.0
        for suffix, preprocessing in (("", replace(own.preprocessing, vignette=None)), (" with V", vignette)):
            f = replace(own, preprocessing=preprocessing)
            answer = int(f.logits(image[None].to(f.device)).argmax())
            row |= {f"answer{suffix}": answer, f"verified{suffix}": False, f"share{suffix}": 0.0}
            if answer == truth:
                found = verify(
                    f, image, answer, transform, self.limit, self.attacker, self.method, self.width, self.min_width,
                    self.max_evaluations,
                )  # fmt: skip
                row |= {f"verified{suffix}": found.verified, f"share{suffix}": found.share}
                row |= {f"counterexample{suffix}": found.counterexample and list(found.counterexample)}
                seconds += found.seconds
        return row | {"seconds": seconds}

    def summary(self, rows: Rows) -> dict[str, Cell]:
        images = [row for row in rows["images"] if row["truth"] is not None]
        count = len(images)

        def counted(suffix: str) -> dict[str, Cell]:
            return {
                f"correct{suffix}": Share(sum(row[f"answer{suffix}"] == row["truth"] for row in images), count),
                f"verified{suffix}": Share(sum(row[f"verified{suffix}"] for row in images), count),
            }

        return {
            "images": float(len(rows["images"])),
            "model": self.classifier,
            "Γ": self.within(self.limit),
            **counted(""),
            **counted(" with V"),
            "t [s]": mean(images, "seconds"),
        }
