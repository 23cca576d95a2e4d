import numpy as np
import pytest

from serhpo.errors import StorageError
from serhpo.search.noise import PairedErrors, write_influences
from serhpo.study.store import StudyStore

RNG = np.random.default_rng(0)
PARTS = {number: {"ua": RNG.normal(size=40), "ccc": RNG.normal(size=40)} for number in range(3)}


@pytest.fixture
def said():
    return []


@pytest.fixture
def errors(study, said):
    for number, parts in PARTS.items():
        study.trial_folder(number).mkdir()
        write_influences(study.trial_folder(number), 3, parts)
    return PairedErrors(study, said.append)


def test_the_error_is_that_of_the_difference_per_objective(errors, said):
    for one, other in ((0, 1), (1, 0), (2, 1)):
        expected = [
            np.sqrt(40) * np.std(PARTS[one][name] - PARTS[other][name], ddof=1) for name in ("ua", "ccc")
        ]
        # The parts do not sum to 0 here as those of a model do: their mean counts, too.
        means = [np.mean(PARTS[one][name] - PARTS[other][name]) for name in ("ua", "ccc")]
        expected = [np.sqrt(e**2 + 40**2 / 39 * m**2) for e, m in zip(expected, means, strict=True)]
        assert errors(one, other, 3) == pytest.approx(expected, rel=1e-5)
    assert errors(1, 1, 3) == [0, 0]
    assert not said


def test_trials_of_an_older_version_and_damaged_files_are_told_once(errors, study, said):
    assert errors(0, 7, 3) is None
    assert errors(0, 1, 9) is None
    (study.trial_folder(2) / "rung-3.safetensors").write_bytes(b"\x07")
    assert errors(2, 0, 3) is None
    assert len(said) == 1
    assert errors(0, 1, 3) is not None


def test_an_objective_without_noise_has_error_zero(study, said):
    for number in (0, 1):
        study.trial_folder(number).mkdir()
        write_influences(study.trial_folder(number), 1, {"ua": PARTS[number]["ua"]})
    assert PairedErrors(study, said.append)(0, 1, 1)[1] == 0


def test_on_a_store_it_is_read_from_there(study, said, tmp_path):
    store = StudyStore(str(tmp_path / "store"), "s")
    for number in (0, 1):
        (tmp_path / str(number)).mkdir()
        write_influences(tmp_path / str(number), 1, PARTS[number])
        name = "rung-1.safetensors"
        store.upload(tmp_path / str(number) / name, f"trials/{number}/{name}")
    assert PairedErrors(study, said.append, store)(0, 1, 1)[0] > 0
    assert PairedErrors(study, said.append, store)(0, 2, 1) is None


def test_a_folder_that_cannot_be_written_is_one_error(tmp_path):
    with pytest.raises(StorageError):
        write_influences(tmp_path / "missing", 1, PARTS[0])
