"""The corpus a study was made on, as it was then."""

from __future__ import annotations

from pathlib import Path

from serhpo.corpus import read_corpus
from serhpo.corpus.folds import taking_part
from serhpo.corpus.table import Corpus
from serhpo.errors import StudyError
from serhpo.study.folder import Study


def study_corpus(study: Study) -> Corpus:
    """The utterances that take part in a study.

    Raises:
        CorpusError: The corpus cannot be read any more.
        StudyError: It has changed.
    """
    settings = study.settings
    corpus = taking_part(read_corpus(Path(settings.corpus), settings.reading), settings.protocol)
    require_unchanged(study, corpus)
    return corpus


def require_unchanged(study: Study, corpus: Corpus) -> None:
    """Make sure that these are the utterances a study was made on.

    Raises:
        StudyError: They are not.
    """
    if corpus.digest != study.lock["corpus_digest"]:
        raise StudyError(
            "The corpus has changed since the study was made; its trials could not be compared any more",
            where=corpus.root,
            got=corpus.digest,
            allowed=study.lock["corpus_digest"],
            hint="bring back the old labels and audio, or start a new study",
        )
