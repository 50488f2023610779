"""Table 12: deterministic verification of a small network, with and without vignette, in the role of DeepG."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from spt.experiments.experiment import Entry, Experiment, Row, Rows, Share, mean

if TYPE_CHECKING:
    from spt.classifiers import Classifier


@lru_cache(maxsize=4)
def _in_float32(name: str, device: str) -> "Classifier":
    from spt.verification import in_float32

    return in_float32(name).to(device)


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

    def load_classifier(self, device: str = "cpu", name: str | None = None) -> "Classifier":
        """The classifier as it is verified: bundled ones only, in float32."""
        from spt.classifiers import bundled_classifiers

        name = name or self.classifier
        if name not in bundled_classifiers():
            raise ValueError(f"table12 verifies bundled classifiers only, not {name!r}: choose mnist-verifiable, say.")
        return _in_float32(name, device)

    def measure(self, stage: str, item: int, earlier: Rows, device: str) -> Row:
        from spt.threat_model import AttackedImage
        from spt.verification import Splitting, verify

        own, transform = self.load_classifier(device), self.load_transform()
        splitting = Splitting(width=self.width, min_width=self.min_width, max_evaluations=self.max_evaluations)
        image, row = self.picture(stage, item, own)
        truth = row["truth"]
        shape: Literal["circle", "rectangle"] = "circle" if self.transform == "rotation" else "rectangle"
        vignette = replace(own.preprocessing, vignette=shape, vignette_margin=2.0 if shape == "circle" else 4.0)
        seconds = 0.0
        for suffix, preprocessing in (("", replace(own.preprocessing, vignette=None)), (" with V", vignette)):
            f = replace(own, preprocessing=preprocessing)
            answer = int(f.logits(image[None].to(f.device)).argmax())
            row |= {f"answer{suffix}": answer, f"verified{suffix}": False, f"share{suffix}": 0.0}
            if truth is not None and answer == truth:
                gamma_range = (-self.limit, self.limit)
                attacked = AttackedImage(image, transform, preprocessing, gamma_range, attacker=self.attacker)
                found = verify(f, attacked, answer, method=self.method, splitting=splitting)
                row |= {f"verified{suffix}": found.verified, f"share{suffix}": found.share}
                row |= {f"counterexample{suffix}": found.counterexample and list(found.counterexample)}
                seconds += found.seconds
        return row | {"seconds": seconds}

    def summary(self, rows: Rows) -> dict[str, Entry]:
        images = self.counted(rows)
        count = len(images)

        def counted(suffix: str) -> dict[str, Entry]:
            return {
                f"correct{suffix}": Share(sum(row[f"answer{suffix}"] == row["truth"] for row in images), count),
                f"verified{suffix}": Share(sum(row[f"verified{suffix}"] for row in images), count),
            }

        return {
            "images": float(count),
            **self.left_out(rows),
            "model": self.classifier,
            "Γ": self.within(self.limit),
            **counted(""),
            **counted(" with V"),
            "t [s]": mean(images, "seconds"),
        }
