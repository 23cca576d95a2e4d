"""The one door to torchaudio: everything that needs it, or transformers' audio models, imports it here.

The wheel of torchaudio on PyPI is built against CUDA. Beside a CPU-only torch its compiled extension
cannot be loaded and ``import torchaudio`` raises ``OSError``, although nothing used here (mel scale,
DCT, masking, resampling) is compiled. transformers then cannot import its audio models either. If,
and only if, the plain import fails that way, a stand-in says that there is no extension.

    from serhpo.audio_stack import torchaudio
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any, NoReturn

__all__ = ["torchaudio"]


def _without_extension() -> ModuleType:
    """What torchaudio looks for in ``torchaudio._extension``, for a torchaudio without compiled parts."""

    def needs_extension(function: Callable[..., Any]) -> Callable[..., NoReturn]:
        def refuse(*_: Any, **__: Any) -> NoReturn:
            raise RuntimeError(f"{function.__name__} needs torchaudio's compiled extension")

        return refuse

    extension = ModuleType("torchaudio._extension")
    extension.__dict__.update(
        _IS_TORCHAUDIO_EXT_AVAILABLE=False,
        _IS_ALIGN_AVAILABLE=False,
        _check_cuda_version=lambda: None,
        fail_if_no_align=needs_extension,
    )
    return extension


try:
    import torchaudio
except OSError:
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchaudio"]:
        del sys.modules[name]  # what the failed import left behind
    sys.modules["torchaudio._extension"] = _without_extension()
    import torchaudio
