"""Evaluation: chosen trials retrained with several seeds, test speakers read once, baselines beside them.

What it leaves in a study's folder::

    evaluations.jsonl     every decision to read test speakers, and every result, in order
    evaluations/*.parquet predictions for every test utterance, a file for each (trial, seed, fold)

Nothing here knows Ray: who runs :func:`run_job` on the :class:`Work` of every missing job, and hands
what it comes to to :meth:`Record.add`, is up to the caller.
"""

from __future__ import annotations

from serhpo.evaluate.document import document, documents
from serhpo.evaluate.held_out import HeldOut, of_corpus, of_protocol
from serhpo.evaluate.jobs import Decision, Job, Reading, Request, Variant, decide
from serhpo.evaluate.other import Joined, join
from serhpo.evaluate.record import Record
from serhpo.evaluate.training import Failure, Outcome, Work, config_of, run_job, seed_for

__all__ = [
    "Decision",
    "Failure",
    "HeldOut",
    "Job",
    "Joined",
    "Outcome",
    "Reading",
    "Record",
    "Request",
    "Variant",
    "Work",
    "config_of",
    "decide",
    "document",
    "documents",
    "join",
    "of_corpus",
    "of_protocol",
    "run_job",
    "seed_for",
]
