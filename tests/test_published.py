"""Published certified accuracies beside ours: the figures, whose they are, and what each of them is certified for."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from spt.commands.run import _table
from spt.experiments import EXPERIMENTS, Share, configure
from spt.experiments.published import HERE, all_published, beside_published, in_words, published_lines
from spt.experiments.tables import write_tables
from spt.ui.shared.markdown import escape
from tests.pages import assert_healthy, texts, visit
from tests.test_page_experiments import some_rows

PER_CENT = """
mnist ±50°: TSS 97.4 clean 99.4, DeepG 85.8, GSmooth 95.7
cifar10 ±10°: TSS 70.6 clean 83.2, DeepG 62.5, GSmooth 65.6
cifar10 ±30°: TSS 63.6 clean 82.0, DeepG 10.6
imagenet ±10°: DeformRS 39.0
imagenet ±30°: TSS 30.4 clean 45.4
mnist 8 px, whole pixels only: TSS 99.6
cifar10 20 px, whole pixels only: TSS 80.8, GSmooth 82.2
mnist ±30 %: TSS 98.4–99.0, DeepG 85.0, GSmooth 95.9
cifar10 ±30 %: TSS 58.8–59.0, DeepG 0.0, GSmooth 54.3
imagenet ±30 %: TSS 26.4
mnist ±50°, brightness ±0.2: TSS 97.0
cifar10 ±10°, brightness ±0.1: TSS 70.2
cifar10 ±30°, brightness ±0.2: TSS 61.4
"""
"""As they were published, in per cent."""


def table4(preset="full", **given):
    return configure(EXPERIMENTS["table4"], preset, **given)


class TestTheFile:
    def test_the_figures_are_those_that_were_published(self):
        told = {}
        for line in all_published():
            figures = "–".join(dict.fromkeys(f"{100 * each:.1f}" for each in line.certified))
            clean = "" if line.clean is None else f" clean {100 * line.clean:.1f}"
            told.setdefault(f"{line.dataset} {line.attack}", []).append(f"{line.work.name} {figures}{clean}")
        assert "\n".join(f"{where}: {', '.join(lines)}" for where, lines in told.items()) == PER_CENT.strip()

    def test_the_times_are_those_that_were_published(self):
        assert {
            f"{line.work.name} {line.dataset} {line.attack}": line.seconds for line in all_published() if line.seconds
        } == {
            "TSS mnist ±50°": "421 + 20",
            "TSS cifar10 ±10°": "1,000–1,900 + 53",
            "TSS cifar10 ±30°": "1,943 + 141",
            "TSS imagenet ±30°": "29,305 + 2,358",
        }

    def test_nothing_in_it_is_unknown_or_unused(self):
        found = json.loads(HERE.read_text(encoding="utf-8"))
        assert set(found) == {"sources", "works", "rows"}
        known = {"work", "dataset", "transform", "limit", "attack", "certified", "clean", "images", "seconds", "source"}
        for row in found["rows"]:
            assert known - {"clean", "images", "seconds"} <= set(row) <= known, row
        assert {row["work"] for row in found["rows"]} == set(found["works"])
        assert {row["source"] for row in found["rows"]} == set(found["sources"])

    @pytest.mark.parametrize("line", all_published(), ids=lambda line: f"{line.work.name} {line.dataset} {line.attack}")
    def test_a_line_is_sound_and_says_what_it_is_certified_for(self, line):
        low, high = line.certified
        assert 0 <= low <= high <= (1 if line.clean is None else line.clean) <= 1
        assert line.dataset in ("mnist", "cifar10", "imagenet") and f"{line.limit:g}" in line.attack
        assert all(
            (
                line.work.attacker,
                line.work.confidence,
                line.work.meaning,
                line.work.caveat,
                line.work.venue,
                line.source,
            )
        )
        assert (line.images is not None) == (line.source == "result files of its authors, image by image")


class TestBesideOurs:
    def test_by_range_ours_then_the_papers_then_the_others(self):
        experiment = table4(dataset="cifar10", limit=30.0)
        summary = {"cert. acc. 10°": Share(24, 100), "cert. acc. 30°": Share(16, 100), "t [s]": 17.0}
        rows = beside_published(experiment, summary)
        assert [(row[""], row["range"], row["certified and right"][:5]) for row in rows] == [
            ("ours", "±10° of ±30°", "0.240"),
            ("paper", "±10°", "0.370"),
            ("TSS", "±10°", "0.706"),
            ("DeepG", "±10°", "0.625"),
            ("GSmooth", "±10°", "0.656"),
            ("ours", "±30°", "0.160"),
            ("paper", "±30°", "0.220"),
            ("TSS", "±30°", "0.636"),
            ("DeepG", "±30°", "0.106"),
        ]
        assert rows[0] | {"certified and right": ""} == {
            "": "ours",
            "range": "±10° of ±30°",
            "certified and right": "",
            "attacked image": "stored in 8 bits",
            "confidence": "0.99",
            "s an image": "17",
        }
        assert rows[1]["confidence"] == "0.99, not proved" and rows[2]["confidence"] == "0.999, nominal"
        exact = beside_published(replace(experiment, attacker="exact", alpha=0.001), summary)
        assert (exact[0]["attacked image"], exact[0]["confidence"]) == ("real numbers", "0.999")

    def test_a_range_that_nobody_else_has_is_ours_and_the_papers(self):
        rows = beside_published(table4(limit=30.0), {"cert. acc. 30°": Share(9, 10)})
        assert [(row[""], row["range"]) for row in rows] == [
            ("ours", "±30°"),
            ("paper", "±30° of ±50°"),
            ("paper", "±50°"),
            ("TSS", "±50°"),
            ("DeepG", "±50°"),
            ("GSmooth", "±50°"),
        ]
        assert [row["certified and right"] for row in rows[1:3]] == ["0.900", "0.820"]

    def test_lines_of_the_paper_at_one_range_are_one_row(self):
        rows = beside_published(table4(dataset="imagenet-samples"), {})
        assert [(row[""], row["certified and right"], row["s an image"]) for row in rows] == [
            ("paper", "0.250–0.290", "174–470"),
            ("DeformRS", "0.390", "–"),
            ("paper", "0.110–0.160", "174–470"),
            ("TSS", "0.304 (clean 0.454)", "29,305 + 2,358"),
        ]

    @pytest.mark.parametrize("name", [name for name in EXPERIMENTS if name != "table4"])
    def test_what_answers_another_question_has_none(self, name):
        experiment = configure(EXPERIMENTS[name])
        assert not published_lines(experiment)
        assert not beside_published(experiment, {"cert. acc. 50°": Share(1, 2)})

    def test_other_images_have_none(self):
        assert not beside_published(table4(dataset="fashion-mnist", classifier="mnist-plain"), {})

    def test_each_method_is_explained_once(self):
        told = dict(in_words(published_lines(table4(dataset="cifar10"))))
        assert [work.name for work in told] == ["TSS", "DeepG", "GSmooth"]
        for work, words in told.items():
            assert work.meaning in words and work.caveat in words
        assert "Figures of 500 images: result files" in next(iter(told.values()))


def test_the_command_line_prints_them():
    experiment = table4(preset="quick", images=4, limit=50.0)
    text = _table(experiment, some_rows(experiment))
    assert "| ours | ±50° | 0.000 [" in text and "| TSS | ±50° | 0.974 (clean 0.994) | real numbers |" in text
    for work, words in in_words(published_lines(experiment)):
        assert f"{work.cited}: {words}" in text
    other = configure(EXPERIMENTS["table2"], "quick", images=4)
    assert "other published work" not in _table(other, some_rows(other))


class TestPage:
    @pytest.fixture(autouse=True)
    def results(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setenv("SPT_RESULTS", str(tmp_path))
        monkeypatch.setenv("SPT_RUNS", str(tmp_path / "runs"))
        return tmp_path

    def test_they_stand_beside_ours_with_what_they_mean(self, results):
        experiment = table4(preset="quick", images=4)
        write_tables(experiment, some_rows(experiment), results, "")
        app = visit("explore/experiments.py", {}, timeout=120)
        assert_healthy(app)
        text, published = texts(app), app.table[1].value
        assert app.subheader[0].value == "Beside other published work: mnist"
        assert "not alike] These methods do not certify the same thing" in text
        assert list(published["method"]) == ["**ours**", "paper", "TSS", "DeepG", "GSmooth"]
        assert published["certified and right"][0].startswith("**0.000** \\[")
        assert published["certified and right"][2] == "0.974 (clean 0.994)"
        assert "not proved" in published["confidence"][1] and "nominal" in published["confidence"][2]
        for work, words in in_words(published_lines(experiment)):
            assert f"- **{work.name}:** {escape(words)} *{escape(work.title)}*, " in text

    def test_ours_is_provisional_as_long_as_rows_are_missing(self, results):
        experiment = table4(preset="quick", images=4)
        write_tables(experiment, {"images": some_rows(experiment)["images"][:3]}, results, "")
        app = visit("explore/experiments.py", {}, timeout=120)
        assert_healthy(app)
        published = app.table[1].value
        assert "PROVISIONAL" in published["confidence"][0] and published["certified and right"][0] == "**0.000**"

    def test_without_ours_they_stand_beside_the_papers(self):
        app = visit("explore/experiments.py", {"results": "stored"}, timeout=120)
        assert_healthy(app)
        assert list(app.table[1].value["method"]) == ["paper", "TSS", "DeepG", "GSmooth"]
