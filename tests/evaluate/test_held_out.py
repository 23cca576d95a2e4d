"""What may be claimed of test speakers, by whom the search has heard."""

from serhpo.corpus.folds import Fold, ProtocolConfig
from serhpo.evaluate import of_corpus, of_protocol
from serhpo.study import Study
from tests.evaluate.conftest import make_corpus
from tests.fakes import LOCK


def own(study: Study):
    return [
        Fold(f["name"], tuple(f["train"]), tuple(f["validation"]), tuple(f["test"])) for f in LOCK["folds"]
    ]


def test_a_held_out_session_has_not_been_heard(study):
    tested = of_protocol(study, study.settings.protocol, own(study))
    assert not tested.selected
    assert tested.level == "the held-out session, which no part of the search has read"
    assert tested.speakers == {"1": ("3F", "3M"), "2": ("3F", "3M")}


def test_leaving_out_speakers_the_search_validated_on_is_told(study):
    protocol = ProtocolConfig(name="leave_one_speaker_out")
    folds = [Fold(name, ("9F",), ("9M",), (name,)) for name in ("1F", "3F")]
    tested = of_protocol(study, protocol, folds)
    assert tested.selected
    assert tested.level == "leave one speaker out: configuration selected on these speakers"
    assert tested.key != of_protocol(study, study.settings.protocol, own(study)).key
    assert not of_protocol(study, protocol, folds[1:]).selected


def test_another_corpus_was_heard_by_nobody(study):
    other = make_corpus(("1F",), name="podcast")
    other.__dict__["digest"] = "cc" * 16  # its recordings do not exist
    tested = of_corpus(study, other, [Fold("1", ("1F",), ("2F",), ("podcast:1F",))])
    assert (tested.selected, tested.speakers) == (False, {"1": ("podcast:1F",)})
    assert tested.corpus == "podcast (data)"
    assert "another corpus" in tested.level
