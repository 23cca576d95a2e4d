import pytest

from serhpo.pareto import Objective
from serhpo.report import words
from serhpo.report.compute import compute
from tests.fakes import BASELINES, STANDARD, FakeTrial, make_study


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.000411, "0.000411"), (1e-5, "1e-5"), (0.5, "0.5"), (32, "32"), (True, "true"), ("none", "none")],
)
def test_a_setting_reads_as_in_yaml(value, text):
    assert words.setting(value) == text


def test_a_measure_shows_its_error_where_there_is_one():
    assert words.measured({"ua": 0.6125}, {"ua": 0.0311}, "ua") == "0.613 ± 0.031"
    assert words.measured({"ccc": -0.02}, {}, "ccc") == "−0.020"
    assert words.measured({}, {}, "ccc") == "–"


def test_an_axis_says_which_way_is_better():
    assert words.axis(Objective(metric="ua"), "→") == "Unweighted accuracy (UA), 0 to 1 · higher is better →"
    assert words.axis(Objective(metric="ece", direction="minimise"), "↑") == "ece · lower is better ↑"


def test_the_front_in_words(tmp_path):
    sentence = words.front_sentence(compute(make_study(tmp_path / "s")))

    assert sentence == (
        "2 of 3 complete trials stand on the front, "
        "from trial 2 (UA 0.500, CCC 0.450) to trial 0 (UA 0.600, CCC 0.300)."
    )


def test_a_front_of_one_in_words(tmp_path):
    sentence = words.front_sentence(compute(make_study(tmp_path / "s", STANDARD[:2])))

    assert "Trial 0 is at least as good as every other complete trial" in sentence
    assert "UA 0.600 ± 0.030, CCC 0.300 ± 0.020" in sentence


def test_no_front_in_words(tmp_path):
    assert "no front" in words.front_sentence(compute(make_study(tmp_path / "s", STANDARD[3:])))


@pytest.mark.parametrize(
    ("class_mean", "verdict"),
    [(0.36, "lies above"), (0.44, "lies less than one standard error from"), (0.60, "lies below")],
)
def test_the_class_mean_baseline_stands_beside_the_best_ccc(tmp_path, class_mean, verdict):
    baselines = {**BASELINES, "class_mean": {"ua": 0.5, "ccc": class_mean}}
    sentence = words.baseline_sentence(compute(make_study(tmp_path / "s", baselines=baselines)))

    assert f"0.450 ± 0.020 (trial 2), {verdict} the class-mean baseline's {class_mean:.3f}" in sentence


def test_missing_baselines_are_announced(tmp_path):
    assert "there are none yet" in words.baseline_sentence(
        compute(make_study(tmp_path / "s", baselines=None))
    )


def test_rungs_in_words(tmp_path):
    sentence = words.rungs_sentence(compute(make_study(tmp_path / "s")))

    assert sentence == "Pruned: 1 of 6 at epoch 1. 3 trials ran to the end."


def test_hypervolume_in_words(tmp_path):
    sentence = words.hypervolume_sentence(compute(make_study(tmp_path / "s")))

    assert sentence == (
        "After 5 finished trials the hypervolume is 0.1425. It last grew with trial 2, the 3rd to end."
    )


def test_hypervolume_before_anything_worth_it_in_words(tmp_path):
    worse_than_guessing = [FakeTrial("COMPLETE", [(0.2, 0.1)])]

    for name, trials, words_in in (("a", (), "No trial has ended"), ("b", worse_than_guessing, "still 0")):
        assert words_in in words.hypervolume_sentence(compute(make_study(tmp_path / name, trials)))


def test_a_single_task_model_above_the_front_is_commented_on(tmp_path):
    above = {**BASELINES, "class_mean": {"ua": 0.70, "ccc": 0.36}}
    close = {**BASELINES, "class_mean": {"ua": 0.61, "ccc": 0.36}}

    assert words.single_task_sentence(compute(make_study(tmp_path / "below"))) == ""
    assert "pay for their ratings with accuracy" in words.single_task_sentence(
        compute(make_study(tmp_path / "above", baselines=above))
    )
    assert "so a draw" in words.single_task_sentence(compute(make_study(tmp_path / "close", baselines=close)))


def test_differences_carry_their_sign():
    assert (words.signed(0.01), words.signed(-0.01)) == ("+0.010", "−0.010")


def test_nought_has_no_sign():
    assert (words.number(-1e-9), words.number(-0.25)) == ("0.000", "−0.250")
