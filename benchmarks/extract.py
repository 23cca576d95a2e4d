"""What extracting features costs: serhpo against librosa and pyAudioAnalysis, per second of audio.

    python benchmarks/extract.py [--rounds 9] [--json]

One thread each. Every round times every implementation once, one after the other, on the same
utterances of IEMOCAP's typical lengths, so that whatever else the machine does hits all of them alike.
Times are CPU times of this process; a ratio is taken within a round, and its range over rounds is the
spread. pyAudioAnalysis is no dependency of serhpo: ``pip install pyAudioAnalysis`` brings that line.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable, Iterator

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[variable] = "1"  # before numpy, which reads them once

import numpy as np  # noqa: E402

from serhpo.features import Extractor, LogMel, Mfcc, ShortTerm  # noqa: E402

RATE = 16_000
SECONDS = (1.8, 3.6, 4.5, 10.7)  # of IEMOCAP: a short one, the median, the mean, the 95th percentile
IEMOCAP_HOURS = 6.99  # of the four classes
GOAL = 15.0
PEER = "pyAudioAnalysis"

Audio = np.ndarray
Function = Callable[[Audio], object]


def speech_like(seconds: float) -> Audio:
    """A gliding voice with pauses of noise."""
    time_ = np.arange(int(seconds * RATE)) / RATE
    phase = 2 * np.pi * np.cumsum(140 + 40 * np.sin(3 * time_)) / RATE
    voice = sum(np.sin(k * phase) / k for k in range(1, 20))
    noise = 0.003 * np.random.default_rng(0).standard_normal(len(time_))
    return (np.where(np.sin(7 * time_) > -0.3, 0.2 * voice, 0) + noise).astype(np.float32)


def librosa_mel(settings: LogMel | Mfcc) -> Callable[[Audio], Audio]:
    import librosa

    def extract(audio: Audio) -> Audio:
        power = librosa.feature.melspectrogram(
            y=audio,
            sr=RATE,
            n_fft=settings.n_fft,
            win_length=settings.win_length,
            hop_length=settings.hop_length,
            n_mels=settings.n_mels,
            pad_mode="constant",
        )
        return librosa.power_to_db(power, top_db=settings.top_db)

    return extract


def librosa_mfcc(settings: Mfcc) -> Function:
    import librosa

    mel = librosa_mel(settings)
    return lambda audio: librosa.feature.mfcc(S=mel(audio), n_mfcc=settings.n_mfcc)


def pyaudioanalysis(settings: ShortTerm) -> Function | None:
    try:
        from pyAudioAnalysis.ShortTermFeatures import feature_extraction
    except ImportError:
        return None
    return lambda audio: feature_extraction(
        audio * 2.0**15, RATE, settings.win_length, settings.hop_length, deltas=True
    )


def contestants() -> Iterator[tuple[str, Extractor, str, Function | None]]:
    """What is extracted, by us, against whom."""
    yield "MFCC-40, 25/10 ms", Mfcc(), "librosa", librosa_mfcc(Mfcc())
    yield "log-Mel-64, 25/10 ms", LogMel(), "librosa", librosa_mel(LogMel())
    for name, settings in (
        ("short-term-68, 25/10 ms", ShortTerm()),
        ("short-term-68, 50/25 ms", ShortTerm(win_length=800, hop_length=400)),
    ):
        yield name, settings, PEER, pyaudioanalysis(settings)


def milliseconds(function: Function, utterances: list[Audio]) -> float:
    """CPU time per second of audio, for at least a tenth of a second."""
    repeats, start = 0, time.process_time()
    while repeats == 0 or time.process_time() - start < 0.1:
        for audio in utterances:
            function(audio)
        repeats += 1
    return 1e3 * (time.process_time() - start) / repeats / sum(map(len, utterances)) * RATE


def measure(rounds: int) -> list[dict[str, object]]:
    utterances = [speech_like(seconds) for seconds in SECONDS]
    rows = []
    entries = list(contestants())
    for _, extractor, _, peer in entries:  # imports, filterbanks, memory
        extractor.extract(utterances[0])
        if peer:
            peer(utterances[0])
    ours: list[list[float]] = [[] for _ in entries]
    theirs: list[list[float]] = [[] for _ in entries]
    for _ in range(rounds):
        for index, (_, extractor, _, peer) in enumerate(entries):
            ours[index].append(milliseconds(extractor.extract, utterances))
            if peer:
                theirs[index].append(milliseconds(peer, utterances))
    for (name, _, peer_name, _), mine, other in zip(entries, ours, theirs, strict=True):
        ratios = [b / a for a, b in zip(mine, other, strict=True)] if other else []
        rows.append({"feature": name, "ours_ms": mine, "peer": peer_name, "peer_ms": other, "ratio": ratios})
    return rows


def shown(values: list[float], form: str) -> str:
    """Median and range."""
    middle, low, high = (format(v, form) for v in (statistics.median(values), min(values), max(values)))
    return f"{middle} ({low}–{high})"


def main() -> None:
    parser = argparse.ArgumentParser(description="Cost of extracting features, per second of audio.")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", action="store_true", help="every round's figures instead of the table")
    options = parser.parse_args()
    rows = measure(options.rounds)
    if options.json:
        print(json.dumps({"schema_version": 1, "seconds": SECONDS, "rows": rows}))
        return
    print(f"CPU ms per second of audio, one thread; median and range of {options.rounds} rounds\n")
    print(f"{'feature':24}{'serhpo':>20}{'peer':>24}  {'peer / serhpo':20}{'IEMOCAP, serhpo':>16}")
    for row in rows:
        whole = statistics.median(row["ours_ms"]) * IEMOCAP_HOURS * 3.6
        theirs = shown(row["peer_ms"], ".2f") if row["peer_ms"] else "not installed"
        ratio = shown(row["ratio"], ".1f") if row["ratio"] else "–"
        print(
            f"{row['feature']:24}{shown(row['ours_ms'], '.2f'):>20}{theirs:>24}  {ratio:20}{whole:>12.0f} s"
            f"  {row['peer']}"
        )
    judged = [statistics.median(row["ratio"]) for row in rows if row["peer"] == PEER and row["ratio"]]
    if judged:
        verdict = "met" if min(judged) >= GOAL else "MISSED"
        print(f"\nGoal, short-term at least {GOAL:g}× {PEER}: {verdict}, {min(judged):.1f}×")
    else:
        print(f"\nThe goal of {GOAL:g}× {PEER} was not judged: pip install {PEER} to do so")


if __name__ == "__main__":
    main()
