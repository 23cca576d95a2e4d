"""CREMA-D (Cao et al., 2014).

    AudioWAV/1001_DFA_ANG_XX.wav   actor, sentence, emotion, level
    VideoDemographics.csv          ActorID, Age, Sex, ... (for the gender; may be missing)

The label is the emotion the actor *meant*; what listeners heard differs and is not read. There are no
ratings of valence, arousal and dominance, and no sessions: every actor is a group.
"""

from __future__ import annotations

import re
from pathlib import Path

from serhpo.corpus.cells import csv_lines
from serhpo.corpus.classes import ReadSettings, class_map
from serhpo.corpus.reading import Reading
from serhpo.corpus.table import Corpus, LabelScheme
from serhpo.errors import CorpusError

NAME = "crema-d"
LAYOUT = "CREMA-D: AudioWAV/<actor>_<sentence>_<emotion>_<level>.wav"

PRESETS: dict[int, dict[str, tuple[str, ...]]] = {
    4: {"angry": ("ANG",), "happy": ("HAP",), "neutral": ("NEU",), "sad": ("SAD",)},
    6: {
        "angry": ("ANG",),
        "disgust": ("DIS",),
        "fear": ("FEA",),
        "happy": ("HAP",),
        "neutral": ("NEU",),
        "sad": ("SAD",),
    },
}
"""The field's four classes, and all six of the corpus."""
CODES = ("ANG", "DIS", "FEA", "HAP", "NEU", "SAD")

SENTENCES = {
    "DFA": "Don't forget a jacket.",
    "IEO": "It's eleven o'clock.",
    "IOM": "I'm on my way to the meeting.",
    "ITH": "I think I have a doctor's appointment.",
    "ITS": "I think I've seen this before.",
    "IWL": "I would like a new alarm clock.",
    "IWW": "I wonder what this is about.",
    "MTI": "Maybe tomorrow it will be cold.",
    "TAI": "The airplane is almost full.",
    "TIE": "That is exactly what happened.",
    "TSI": "The surface is slick.",
    "WSI": "We'll stop in a couple of minutes.",
}

_TURN = re.compile(r"(?P<actor>\d{4})_(?P<sentence>[A-Z]{3})_(?P<code>[A-Z]{3})_[A-Z]{1,2}")


def recognises(path: Path) -> bool:
    """Whether a folder has CREMA-D's layout."""
    return (path / "AudioWAV").is_dir()


def read(path: Path, settings: ReadSettings) -> Corpus:
    """Read labels off the file names, and check every recording.

    Args:
        path: The folder that holds ``AudioWAV``.
        settings: Which codes make which class.

    Raises:
        ConfigError: The class map names what CREMA-D does not have.
        CorpusError: The demographics cannot be read.
    """
    root = path.resolve()
    classes = class_map(settings, PRESETS, CODES)
    reading = Reading(root, LabelScheme(classes=classes.classes, dimensions=None), settings)
    genders = _genders(root / "VideoDemographics.csv")
    for wav in sorted((root / "AudioWAV").glob("*.wav")):
        if wav.name.startswith("."):  # macOS copies
            continue
        turn = _TURN.fullmatch(wav.stem)
        if turn is None:
            reading.problem(f"cannot understand the file name {wav.name!r}", wav)
        elif turn["code"] not in CODES:
            known = ", ".join(CODES)
            reading.problem(f"unknown emotion code `{turn['code']}`; known: {known}", wav)
        else:
            row = {
                "utt_id": wav.stem,
                "audio": str(wav),
                "speaker": turn["actor"],
                "group": turn["actor"],
                "gender": genders.get(turn["actor"]),
                "label": classes.of.get(turn["code"]),
                "style": "scripted",
                "text": SENTENCES.get(turn["sentence"]),
            }
            reading.add(row, wav)
    return reading.corpus(NAME)


def _genders(file: Path) -> dict[str, str]:
    if not file.is_file():
        return {}
    try:
        return {row["ActorID"]: row["Sex"][:1].upper() for _, row in csv_lines(file, lambda _: None)}
    except (OSError, UnicodeDecodeError) as error:
        raise CorpusError("Cannot read the demographics", where=file) from error
    except (KeyError, TypeError) as error:
        raise CorpusError("The demographics need the columns ActorID and Sex", where=file) from error
