"""What ``serhpo train`` says before it trains."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from serhpo.cli.train import _plan
from serhpo.search.prepare import make_context

ROWS = (
    "audio,speaker,label,valence,arousal,dominance,split",
    "a.wav,x,happy,4,3,3,train",
    "b.wav,y,sad,2,2,3,dev",
    "c.wav,z,sad,2,2,3,test",
    "d.wav,x,sad,2,2,3,other",  # left out by the corpus' own split
    "e.wav,x,sad,2,2,2,train",
)


@pytest.mark.parametrize(
    ("old", "new", "differs"),
    [("", "", False), ("3,3,train", "3,4,train", True), ("2,3,other", "2,4,other", False)],
    ids=["the same", "another rating", "another rating of who is left out"],
)
def test_a_corpus_that_leaves_some_utterances_out_is_the_trials_own(
    old: str, new: str, differs: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, name in enumerate("abcde"):
        noise = np.random.default_rng(number).normal(0, 0.1, 1600)
        soundfile.write(tmp_path / f"{name}.wav", noise, 16_000)
    manifest = tmp_path / "m.csv"
    manifest.with_suffix(".yaml").write_text("dimensions: [1, 5]\n")
    manifest.write_text("\n".join(ROWS))
    file = tmp_path / "config.json"
    plan = _plan({"corpus": str(manifest), "protocol": {"name": "predefined"}, "trial": {}}, file, None)
    about = make_context(plan, {}, tmp_path).about()
    manifest.write_text("\n".join(ROWS).replace(old, new))
    _plan({**about, "trial": {}}, file, None)
    assert ("not the one of the trial" in capsys.readouterr().err) == differs
