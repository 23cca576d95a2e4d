"""Features: what the encoders read. Each stream is made by one extractor, found here by its name."""

from __future__ import annotations

from serhpo.config import Config
from serhpo.errors import unknown_name
from serhpo.features.altered import Altered
from serhpo.features.base import Extractor, Storage, key
from serhpo.features.mel import LogMel
from serhpo.features.mfcc import Mfcc
from serhpo.features.pretrained import Hubert, Wav2Vec2
from serhpo.features.short_term import ShortTerm
from serhpo.features.waveform import Waveform

__all__ = [
    "EXTRACTORS",
    "Altered",
    "Extractor",
    "FeatureSettings",
    "Hubert",
    "LogMel",
    "Mfcc",
    "ShortTerm",
    "Storage",
    "Wav2Vec2",
    "Waveform",
    "key",
]

EXTRACTORS: dict[str, type[Extractor]] = {
    kind.name: kind for kind in (Mfcc, ShortTerm, LogMel, Waveform, Wav2Vec2, Hubert)
}


class FeatureSettings(Config):
    """The settings of every stream a configuration may use; one field per name in ``EXTRACTORS``.

    Attributes:
        mfcc: Mel-frequency cepstral coefficients.
        short_term: pyAudioAnalysis' short-term features.
        mel: Log-Mel spectrogram.
        waveform: The samples themselves.
        wav2vec2: Hidden states of Wav2Vec 2.0, or of any other pretrained encoder.
        hubert: Hidden states of HuBERT, or of any other pretrained encoder.
    """

    mfcc: Mfcc = Mfcc()
    short_term: ShortTerm = ShortTerm()
    mel: LogMel = LogMel()
    waveform: Waveform = Waveform()
    wav2vec2: Wav2Vec2 = Wav2Vec2()
    hubert: Hubert = Hubert()

    def __getitem__(self, stream: str) -> Extractor:
        """The extractor of a stream.

        Raises:
            UsageError: No stream has this name; lists those that exist.
        """
        if stream not in EXTRACTORS:
            raise unknown_name("feature stream", stream, EXTRACTORS)
        extractor: Extractor = getattr(self, stream)
        return extractor
