import errno
import json
import os
import pickle
from pathlib import Path

import pytest

from serhpo import errors
from serhpo.errors import Problem, SerhpoError, StorageError, nearest, unknown_name

# The contract with shells and scripts: 1 bug, 2 usage, 3 config, space or data, 4 nothing complete,
# 5 machine, 130 interrupted.
EXIT_CODES = {
    "SerhpoError": 1,
    "UsageError": 2,
    "ConfigError": 3,
    "SpaceError": 3,
    "CorpusError": 3,
    "AudioError": 3,
    "LeakageError": 3,
    "StudyError": 3,
    "NoCompleteTrialError": 4,
    "ResourceError": 5,
    "RayDiedError": 5,
    "StorageError": 5,
    "StudyLockedError": 5,
    "SearchInterruptedError": 130,
}


def family(kind: type[SerhpoError]) -> dict[str, type[SerhpoError]]:
    found = {kind.__name__: kind} if kind.__module__ == errors.__name__ else {}
    for child in kind.__subclasses__():
        found |= family(child)
    return found


def test_every_error_has_the_exit_code_of_the_contract():
    assert {name: kind.exit_code for name, kind in family(SerhpoError).items()} == EXIT_CODES


@pytest.mark.parametrize("name", EXIT_CODES)
def test_an_error_crosses_a_process_with_everything_it_says(name):
    kind = getattr(errors, name)
    problems = [Problem("odd", file="labels.txt", line=7, key="x"), Problem("gone")]
    error = kind("wrong", where=Path("a/b"), got=0, allowed=[1, 2], hint="try 1", problems=problems)
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert vars(copy) == vars(error)
    assert str(copy) == str(error)
    assert copy.args == error.args
    assert vars(pickle.loads(pickle.dumps(kind("bare")))) == vars(kind("bare"))


def test_an_error_answers_each_question_on_a_line_of_its_own():
    error = SerhpoError("It is wrong", where="file.yaml", got=0, allowed="1 to 3", hint="write 1")
    assert str(error).splitlines() == [
        "It is wrong",
        "  where: file.yaml",
        "  got: 0",
        "  allowed: 1 to 3",
        "  next: write 1",
    ]
    assert str(SerhpoError("Short")) == "Short"


def test_many_problems_are_counted_rather_than_printed():
    text = str(SerhpoError("Many", problems=[Problem(f"number {i}") for i in range(23)]))
    assert "number 19" in text
    assert "number 20" not in text
    assert "and 3 more" in text


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (Problem("bad", "a.txt", 3, "key"), "a.txt:3: key: bad"),
        (Problem("bad", "a.txt"), "a.txt: bad"),
        (Problem("bad", key="key"), "key: bad"),
        (Problem("bad"), "bad"),
    ],
)
def test_a_problem_says_where_it_stands(problem, text):
    assert str(problem) == text


def test_the_json_document_of_an_error():
    problem = Problem("odd", file="labels.txt", line=7)
    error = errors.CorpusError("Bad corpus", where=Path("/data"), got=3, hint="mend it", problems=[problem])
    document = json.loads(json.dumps(error.to_json()))
    assert document == {
        "error": {
            "kind": "CorpusError",
            "message": "Bad corpus",
            "where": "/data",
            "got": "3",
            "hint": "mend it",
            "problems": [{"what": "odd", "file": "labels.txt", "line": 7, "key": None}],
        }
    }
    assert SerhpoError("Bare").to_json() == {"error": {"kind": "SerhpoError", "message": "Bare"}}


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "full"),
        (errno.EDQUOT, "quota"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "permission"),
        (errno.EPERM, "permission"),
        (errno.EIO, os.strerror(errno.EIO)),
    ],
)
def test_an_error_of_the_disk_becomes_one_clear_sentence(number, words):
    error = StorageError.from_os_error(OSError(number, os.strerror(number)), "/place")
    assert words.lower() in error.what.lower()
    assert error.where == "/place"
    named = StorageError.from_os_error(OSError(number, os.strerror(number), "/place/file"), "/place")
    assert named.where == "/place/file"


def test_an_os_error_without_number_is_still_told():
    assert "odd thing" in StorageError.from_os_error(OSError("odd thing"), "/place").what


def test_the_nearest_name_is_offered_only_where_one_is_near():
    assert nearest("lambada", ["lambda", "width"]) == " Did you mean `lambda`?"
    assert nearest("zzz", ["lambda", "width"]) == ""
    assert nearest("x", []) == ""


def test_an_unknown_name_lists_what_exists():
    error = unknown_name("search space", "fulll", ["smoke", "full"], where="--space")
    assert error.exit_code == 2
    assert error.what == "Unknown search space `fulll`"
    assert error.allowed == "full, smoke"
    assert error.hint == "Did you mean `full`?"
    assert error.where == "--space"
