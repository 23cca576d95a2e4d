"""Which of a corpus' own codes make which emotion class: the one choice a user has when reading.

``--classes 5`` names one of a reader's presets; ``--classes mine.yaml`` a mapping of one's own:

    angry: [ang, fru]
    happy: [hap, exc]
    neutral: [neu]
    sad: [sad]

Codes that no class names stay without a label. The choice is kept in the study, resolved, so that
a study is resumed with the labels it began with, whatever becomes of the file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import field_validator

from serhpo.config import Config, parse, read_yaml
from serhpo.errors import ConfigError, nearest

FOUR_CLASSES = ("angry", "happy", "neutral", "sad")


class ReadSettings(Config):
    """How to read a corpus.

    Attributes:
        classes: A preset of the reader by its number of classes, or the codes of every class, in the
            order of the model's outputs; None = angry, happy, neutral, sad (a manifest: its own labels).
    """

    classes: int | dict[str, tuple[str, ...]] | None = None

    @field_validator("classes")
    @classmethod
    def _each_code_once(cls, value: Any) -> Any:
        if isinstance(value, dict):
            if len(value) < 2:
                raise ValueError("two classes are the least")
            if empty := [name for name, codes in value.items() if not codes]:
                raise ValueError(f"no code makes the class {empty[0]}")
            times = Counter(code for codes in value.values() for code in codes)
            if twice := [code for code, count in times.items() if count > 1]:
                raise ValueError(f"the code {twice[0]} stands twice")
        return value


@dataclass(frozen=True)
class ClassMap:
    """Classes in the order of the model's outputs, and the class of every code that has one."""

    classes: tuple[str, ...]
    of: Mapping[str, str]

    @classmethod
    def from_codes(cls, codes: Mapping[str, Collection[str]]) -> ClassMap:
        """From the codes of every class."""
        return cls(tuple(codes), {code: name for name, group in codes.items() for code in group})

    def distribution(self, votes: Iterable[Collection[str]]) -> dict[str, float] | None:
        """Soft label: the share of every class in the raters' votes; sums to one.

        Every rater has one vote, divided evenly when they chose several codes. What falls on codes
        outside the classes is left out, and the rest shared out anew.

        Args:
            votes: Codes that each rater chose.

        Returns:
            Shares of the classes that were chosen at all, in class order; None where none was.
        """
        shares: dict[str, float] = dict.fromkeys(self.classes, 0.0)
        for codes in votes:
            for code in codes:
                if code in self.of:
                    shares[self.of[code]] += 1 / len(codes)
        total = sum(shares.values())
        return {name: share / total for name, share in shares.items() if share} if total else None


def parse_classes(text: str | None) -> ReadSettings:
    """The value of ``--classes``: nothing, a number, or a YAML file.

    Raises:
        ConfigError: The file cannot be read or is not a mapping of classes to codes.
    """
    if text is None:
        return ReadSettings()
    if text.isdecimal():
        return ReadSettings(classes=int(text))
    return parse(ReadSettings, {"classes": read_yaml(Path(text))}, where=text)


def class_map(
    settings: ReadSettings, presets: Mapping[int, Mapping[str, Collection[str]]], codes: Collection[str]
) -> ClassMap:
    """What the settings mean for one corpus.

    Args:
        settings: The user's choice.
        presets: Codes of every class, by number of classes; holds 4, the default.
        codes: All codes that the corpus may carry.

    Raises:
        ConfigError: No such preset, or a code that the corpus does not have.
    """
    wanted = 4 if settings.classes is None else settings.classes
    if isinstance(wanted, int):
        if wanted not in presets:
            raise ConfigError(
                "This corpus has no such set of classes",
                where="--classes",
                got=wanted,
                allowed=f"{', '.join(map(str, sorted(presets)))}, or a YAML file of class: [codes]",
            )
        return ClassMap.from_codes(presets[wanted])
    for name, group in wanted.items():
        for code in group:
            if code not in codes:
                raise ConfigError(
                    f"The corpus has no code `{code}`.{nearest(code, codes)}",
                    where=f"--classes, class {name}",
                    allowed=", ".join(sorted(codes)),
                )
    return ClassMap.from_codes(wanted)
