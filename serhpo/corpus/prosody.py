"""From emotion to voice: class and valence, arousal, dominance together shape how a turn is spoken.

*Dimensions.* Directions after the rules that M. Schröder published with MARY TTS
(``emotion-to-mary.xsl``) and described in "Expressing degree of activation in synthetic speech" (IEEE
TASLP 14(4), 2006): activation raises pitch, pitch range, tempo, accents and volume and shortens
pauses; evaluation raises pitch and tempo and weakens accents; power lowers pitch and makes the contour
fall. Our weights are near theirs. What brilliance, breathiness and roughness owe to the dimensions is
our addition; those rules have none of them.

*Classes.* Each class has manners of its own, with directions after the settings of F. Burkhardt's
Emofilt (Interspeech 2005), whose line of work began with Burkhardt & Sendlmeier, "Verification of
acoustical correlates of emotional speech using formant-synthesis" (ISCA Workshop on Speech and
Emotion, 2000): hot anger and joy are high, wide, fast and loud; cold anger is narrow and loud; both
angers shake a little and fall where joy rises; quiet joy waves; sadness is narrow, slow, soft and
shaky; despair is high, narrow, slow and shakier still. Brilliance, breathiness, roughness
(laryngealisation) and pauses as means of expression are those of J. E. Cahn's Affect Editor ("The
generation of affect in synthesized speech", J. AVIOS 8, 1990).

All *sizes* are ours, none is a figure from these works. They are chosen so that simple statistics
separate the classes about as badly as they do in IEMOCAP, and speakers differ in how much they show.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from serhpo.corpus.ratings import DEVIATION, MEAN, FloatArray

# What can be changed in a voice, in units of a clearly audible step: weights of valence, arousal and
# dominance (in standard deviations), deviation from turn to turn, and from speaker to speaker.
_RULES = {
    "pitch": (0.10, 0.30, -0.15, 0.55, 0.25),
    "range": (0.00, 0.40, 0.00, 0.55, 0.25),
    "tempo": (0.25, 0.50, 0.00, 0.55, 0.25),
    "loudness": (0.00, 0.33, 0.00, 1.10, 0.5),  # the microphone is never at the same distance
    "brilliance": (0.27, 0.25, 0.20, 1.10, 0.3),
    "breathiness": (-0.10, -0.30, -0.30, 0.55, 0.25),
    "roughness": (-0.20, 0.00, 0.20, 0.55, 0.25),
    "pauses": (0.00, -0.20, 0.00, 0.55, 0.25),
    "accents": (-0.50, 0.50, 0.00, 0.55, 0.25),
    "slope": (0.00, 0.00, -0.40, 0.55, 0.25),
}
CUES = tuple(_RULES)
_BY_DIMENSION = 2.4 * np.array([rule[:3] for rule in _RULES.values()])
_TURN_NOISE = np.array([rule[3] for rule in _RULES.values()])
_SPEAKER_NOISE = np.array([rule[4] for rule in _RULES.values()])

_CLASS_SIZE = 1.5
_EFFORT = {"loudness": 0.6, "brilliance": 0.6}
_MANNERS: dict[str, tuple[dict[str, float], ...]] = {
    "angry": (
        {"pitch": 1, "range": 2, "tempo": 1, **_EFFORT, "roughness": 1.5, "slope": -1.5},  # hot
        {"range": -0.5, **_EFFORT, "roughness": 1, "slope": -1.5, "pauses": 0.5},  # cold
    ),
    "happy": (
        {"pitch": 1, "range": 2, "tempo": 1, **_EFFORT, "slope": 1.5},  # exuberant
        {"range": 0.5, "accents": 2, "tempo": -0.5, "slope": 1},  # quiet
    ),
    "neutral": ({},),
    "sad": (
        # quiet sorrow
        {"range": -1, "tempo": -1, "loudness": -0.6, "breathiness": 1.5, "roughness": 0.5, "pauses": 1},
        # despair
        {"pitch": 1.5, "range": -1, "tempo": -0.5, "roughness": 1, "breathiness": 1, "pauses": 0.5},
    ),
}


@dataclass(frozen=True)
class Speaker:
    """One synthetic voice.

    Attributes:
        gender: F or M.
        voice: eSpeak voice with its variant.
        tract: Factor on all frequencies, for a shorter or longer vocal tract.
        habit: The speaker's own offset on every cue, shape (cues,).
        expression: How much of the emotion the speaker shows on every cue, shape (cues,).
        noise_floor: Level of the room behind the voice, dB relative to full scale.
    """

    gender: str
    voice: str
    tract: float
    habit: FloatArray
    expression: FloatArray
    noise_floor: float


_VARIANTS = {"F": ("f1", "f2", "f3", "f4", "f5"), "M": ("m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8")}


def cast(rng: np.random.Generator, session: int, gender: str) -> Speaker:
    """Draw the speaker of a session; variants repeat after five women or eight men, voices do not."""
    variants = _VARIANTS[gender]
    return Speaker(
        gender=gender,
        voice=f"en-us+{variants[(session - 1) % len(variants)]}",
        tract=float(rng.uniform(0.97, 1.03)),
        habit=rng.normal(0, _SPEAKER_NOISE),
        expression=rng.uniform(0.75, 1.25, len(CUES)),
        noise_floor=float(rng.uniform(-62, -50)),
    )


def express(rng: np.random.Generator, speaker: Speaker, acted: str, felt: FloatArray) -> dict[str, float]:
    """Cues of one turn in units, zero = an average voice that says something neutral.

    Args:
        rng: Of this turn.
        speaker: Who speaks.
        acted: Class the speaker means.
        felt: Valence, arousal, dominance, shape (3,), 1 to 5.
    """
    manners = _MANNERS[acted]
    manner = manners[rng.integers(len(manners))]
    by_class = np.array([manner.get(cue, 0.0) for cue in CUES])
    by_dimension = _BY_DIMENSION @ ((felt - MEAN) / DEVIATION)
    emotion = _CLASS_SIZE * by_class + by_dimension
    units = speaker.habit + speaker.expression * emotion + rng.normal(0, _TURN_NOISE)
    return dict(zip(CUES, np.clip(units, -3, 3).tolist(), strict=True))
