"""Features: what the encoders read. Each stream is made by one extractor, found here by its name."""

from __future__ import annotations

from serhpo.config import Config
from serhpo.errors import unknown_name
from serhpo.features.base import Extractor, Storage, key
from serhpo.features.mel import LogMel
from serhpo.features.mfcc import Mfcc
from serhpo.features.short_term import ShortTerm
from serhpo.features.waveform import Waveform

__all__ = [
    "EXTRACTORS",
    "Extractor",
    "FeatureSettings",
    "LogMel",
    "Mfcc",
    "ShortTerm",
    "Storage",
    "Waveform",
    "key",
]

EXTRACTORS: dict[str, type[Extractor]] = {kind.name: kind for kind in (Mfcc, ShortTerm, LogMel, Waveform)}


class FeatureSettings(Config):
    """The settings of every stream a configuration may use; one field per name in ``EXTRACTORS``.

    Attributes:
        mfcc: Mel-frequency cepstral coefficients.
        short_term: pyAudioAnalysis' short-term features.
        mel: Log-Mel spectrogram.
        waveform: The samples themselves.
    """

    mfcc: Mfcc = Mfcc()
    short_term: ShortTerm = ShortTerm()
    mel: LogMel = LogMel()
    waveform: Waveform = Waveform()

    def __getitem__(self, stream: str) -> Extractor:
        """The extractor of a stream.

        Raises:
            UsageError: No stream has this name; lists those that exist.
        """
        if stream not in EXTRACTORS:
            raise unknown_name("feature stream", stream, EXTRACTORS)
        extractor: Extractor = getattr(self, stream)
        return extractor
