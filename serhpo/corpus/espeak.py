"""eSpeak NG in this process, through ctypes on the library of the ``espeakng-loader`` wheel.

eSpeak keeps glottal phase, flutter and noise state in static variables that its own calls do not
reset: the same sentence twice gives different samples. The library is therefore loaded afresh for
every utterance (half a millisecond), so that one utterance never depends on those before it.
"""

from __future__ import annotations

import _ctypes
import ctypes
import sys
import threading
from typing import Any

import numpy as np
import numpy.typing as npt

from serhpo.errors import ConfigError

ESPEAK_RATE = 22_050
"""Hz; of the samples eSpeak NG gives."""

# From eSpeak NG's speak_lib.h.
_SYNCHRONOUS = 2
_DO_NOT_EXIT = 0x8000
_UTF8, _SSML = 1, 0x10
_RATE, _PITCH, _RANGE = 1, 3, 4
_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)

_one_at_a_time = threading.Lock()  # the library has one state for the whole process


def speak(markup: str, voice: str, rate: int, pitch: int, pitch_range: int) -> npt.NDArray[np.int16]:
    """Speak a text.

    Args:
        markup: Plain text or SSML (``prosody``, ``break``, ``emphasis``).
        voice: Language and variant, e.g. ``en-us+f2``.
        rate: Words a minute, 80 to 450.
        pitch: 0 to 99; 50 is the voice's own.
        pitch_range: 0 (monotone) to 99; 50 is the voice's own.

    Returns:
        int16 of shape (samples,) at :data:`ESPEAK_RATE`; the same for the same arguments, whatever was
        spoken before.

    Raises:
        ConfigError: ``espeakng-loader`` is not installed or its library cannot be used.
    """
    library_path, data_path = _installed()
    chunks: list[bytes] = []

    def collect(samples: Any, count: int, _events: Any) -> int:
        if samples and count:
            chunks.append(ctypes.string_at(samples, 2 * count))
        return 0

    callback = _CALLBACK(collect)
    with _one_at_a_time:
        library = _open(library_path)
        try:
            if library.espeak_Initialize(_SYNCHRONOUS, 0, data_path.encode(), _DO_NOT_EXIT) != ESPEAK_RATE:
                raise ConfigError(
                    "eSpeak NG cannot read its voices",
                    where=data_path,
                    hint="it takes paths of up to 160 characters: install into a shorter one",
                )
            library.espeak_SetSynthCallback(callback)
            library.espeak_ng_SetRandSeed(1)
            if library.espeak_SetVoiceByName(voice.encode()):
                raise ConfigError("eSpeak NG has no such voice", got=voice)
            for parameter, value in ((_RATE, rate), (_PITCH, pitch), (_RANGE, pitch_range)):
                library.espeak_SetParameter(parameter, value, 0)
            text = markup.encode()
            failed = library.espeak_Synth(text, len(text) + 1, 0, 0, 0, _UTF8 | _SSML, None, None)
            if failed or library.espeak_Synchronize():
                raise ConfigError("eSpeak NG cannot speak the text", got=markup)
        finally:
            library.espeak_Terminate()
            _close(library)
    return np.frombuffer(b"".join(chunks), dtype=np.int16)


def _installed() -> tuple[str, str]:
    """Paths of library and voices."""
    try:
        import espeakng_loader
    except ImportError as error:
        raise ConfigError(
            "Synthetic speech needs eSpeak NG, which is not installed", hint='pip install "serhpo[synth]"'
        ) from error
    return espeakng_loader.get_library_path(), espeakng_loader.get_data_path()


def _open(path: str) -> ctypes.CDLL:
    try:
        library = ctypes.CDLL(path)
    except OSError as error:
        raise ConfigError(f"Cannot load eSpeak NG: {error}", where=path) from error
    library.espeak_Synth.argtypes = [
        ctypes.c_char_p,
        ctypes.c_size_t,
        ctypes.c_uint,
        ctypes.c_int,
        ctypes.c_uint,
        ctypes.c_uint,
        ctypes.c_void_p,
        ctypes.c_void_p,
    ]
    library.espeak_ng_SetRandSeed.argtypes = [ctypes.c_long]
    return library


def _close(library: ctypes.CDLL) -> None:
    if sys.platform == "win32":
        _ctypes.FreeLibrary(library._handle)
    else:
        _ctypes.dlclose(library._handle)
