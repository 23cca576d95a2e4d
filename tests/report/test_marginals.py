import numpy as np
import pytest

from serhpo.report.compute import compute
from serhpo.report.marginals import FEWEST, effects
from serhpo.report.worth_figures import effects_figure, importance_figure, lambda_figure, weights_figure
from tests.fakes import FakeTrial, make_study, random_trials


def numbers_of(tmp_path, trials):
    return compute(make_study(tmp_path / "s", trials, epochs=1, rungs=(), baselines=None))


def one(ua, streams, **params):
    return FakeTrial("COMPLETE", [(ua, ua / 2)], {"streams": streams, **params})


def test_an_encoder_is_worth_the_difference_of_the_means(tmp_path):
    with_mel = [one(ua, "mel") for ua in (0.5, 0.6, 0.7)]
    without = [one(ua, "waveform") for ua in (0.3, 0.4, 0.5, 0.4)]
    found = {effect.setting: effect for effect in effects(numbers_of(tmp_path, with_mel + without))}

    mel = found["encoder mel"]
    assert (mel.having, mel.others) == (3, 4)
    middle, low, high = mel.differences["ua"]
    assert middle == pytest.approx(0.2)
    assert 0.05 < low < 0.15 < 0.25 < high < 0.35
    assert found["encoder waveform"].differences["ua"][0] == pytest.approx(-0.2)


def test_only_complete_trials_that_have_the_parameter_count(tmp_path):
    trials = [one(0.5, "mel", **{"model.width": width}) for width in (16, 16, 16, 32, 32, 32)]
    trials += [one(0.9, "mel"), FakeTrial("PRUNED", [(0.1, 0.1)], {"model.width": 16})]
    (effect,) = [e for e in effects(numbers_of(tmp_path, trials)) if "width" in e.setting]

    assert (effect.setting, effect.having, effect.others) == ("model.width = 32", 3, 3)
    assert effect.differences["ua"] == pytest.approx((0, 0, 0))


def test_few_trials_say_nothing(tmp_path):
    trials = [one(0.5, "mel")] * (FEWEST - 1) + [one(0.4, "mfcc")] * 9

    assert effects(numbers_of(tmp_path, trials)) == ()


def test_an_interval_covers_the_truth_about_as_often_as_it_says(tmp_path):
    rng = np.random.default_rng(0)
    covered = 0
    for repeat in range(20):
        trials = [one(0.4 + 0.1 * ("mel" in s) + rng.normal(0, 0.05), s) for s in ("mel", "mfcc") * 15]
        (mel,) = [
            e for e in effects(numbers_of(tmp_path / str(repeat), trials)) if e.setting == "encoder mel"
        ]
        _, low, high = mel.differences["ua"]
        covered += low <= 0.1 <= high
    assert covered >= 16


def test_figures_hold_every_effect_and_every_lambda(tmp_path):
    numbers = compute(make_study(tmp_path / "s", random_trials(60), epochs=9, rungs=(1, 3)))
    found = effects(numbers)
    figure, sweep = effects_figure(found, numbers), lambda_figure(numbers)
    having = [t for t in numbers.trials if t.state == "COMPLETE" and "weighting.lambda" in t.params]

    assert list(figure.layout.yaxis.ticktext) == [e.setting for e in reversed(found)]
    assert {len(trace.x) for trace in figure.data} == {len(found)}
    assert sorted(sweep.data[0].x) == sorted(t.params["weighting.lambda"] for t in having)


def test_nothing_to_say_gives_no_figure(tmp_path):
    numbers = numbers_of(tmp_path, [one(0.5, "mel")])

    assert effects_figure((), numbers) is None
    assert importance_figure({}) is None
    assert lambda_figure(numbers) is None
    assert weights_figure(numbers) is None
