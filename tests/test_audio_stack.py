"""The guard in front of torchaudio; each case in a fresh interpreter, since imports happen once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import serhpo
from serhpo.audio_stack import torchaudio

PACKAGE_ROOT = Path(serhpo.__file__).parents[1]

# A torchaudio whose compiled extension cannot be loaded, as the CUDA wheel beside a CPU torch.
BROKEN = {
    "__init__.py": "from . import _helper, _extension\nfrom .functional import align\n",
    "_helper.py": "",
    "_extension.py": "raise OSError('libcudart.so.13: cannot open shared object file')\n",
    "functional.py": """
from torchaudio._extension import _IS_TORCHAUDIO_EXT_AVAILABLE, fail_if_no_align
@fail_if_no_align
def align(): return 1
""",
}


def python(code: str, *folders: Path) -> str:
    path = os.pathsep.join(map(str, (*folders, PACKAGE_ROOT)))
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def package(folder: Path, files: dict[str, str]) -> Path:
    (folder / "torchaudio").mkdir()
    for name, text in files.items():
        (folder / "torchaudio" / name).write_text(text)
    return folder


def test_mel_scale_works_here() -> None:
    assert torchaudio.functional.melscale_fbanks(257, 0.0, 8000.0, 40, 16_000).shape == (257, 40)


def test_an_extension_that_cannot_be_loaded_is_replaced(tmp_path: Path) -> None:
    code = """
from serhpo.audio_stack import torchaudio
print(torchaudio.functional._IS_TORCHAUDIO_EXT_AVAILABLE)
try:
    torchaudio.align()
except RuntimeError as error:
    print(error)
"""
    shown = python(code, package(tmp_path, BROKEN)).splitlines()
    assert shown == ["False", "align needs torchaudio's compiled extension"]


def test_a_torchaudio_that_works_is_left_alone(tmp_path: Path) -> None:
    whole = BROKEN | {
        "_extension.py": "_IS_TORCHAUDIO_EXT_AVAILABLE = True\nfail_if_no_align = lambda function: function\n"
    }
    code = """
from serhpo.audio_stack import torchaudio
print(torchaudio.functional._IS_TORCHAUDIO_EXT_AVAILABLE, torchaudio.align())
"""
    assert python(code, package(tmp_path, whole)) == "True 1"


def test_any_other_failure_is_shown(tmp_path: Path) -> None:
    code = """
try:
    import serhpo.audio_stack
except ModuleNotFoundError as error:
    print(error.name)
"""
    broken = {"__init__.py": "import a_library_that_is_missing\n"}
    assert python(code, package(tmp_path, broken)) == "a_library_that_is_missing"


@pytest.mark.slow
def test_transformers_finds_its_audio_models() -> None:
    code = """
import serhpo.audio_stack
from transformers import HubertModel, Wav2Vec2Model
print(HubertModel.__name__, Wav2Vec2Model.__name__)
"""
    assert python(code) == "HubertModel Wav2Vec2Model"


def test_features_cost_no_torch_until_they_are_computed() -> None:
    assert python("import sys, serhpo.features; print('torch' in sys.modules)") == "False"
