"""The synthetic speakers: an accent in the coat of a variant; and which of them are heard in which set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nst_asr.config import ConfigError
from nst_asr.key import Key

# short name -> language file of espeak-ng
ACCENTS = {
    "us": "gmw/en-US",
    "nyc": "gmw/en-US-nyc",
    "gb": "gmw/en",
    "rp": "gmw/en-GB-x-rp",
    "scotland": "gmw/en-GB-scotland",
    "lancaster": "gmw/en-GB-x-gbclan",
    "midlands": "gmw/en-GB-x-gbcwmd",
    "caribbean": "gmw/en-029",
}

# Of the 98 variants in the wheel, those that differ from each other in more than loudness, and sound like someone.
# Left out: Gene2, RicishayMax3, anikaRobot, fast, iven2, iven3, steph2, steph3 (twins of others), caleb, Demonic
# (hardly a voice: no pitch, or two at once).
# fmt: off
VARIANTS = (
    "Alex", "Alicia", "Andrea", "Andy", "Annie", "AnxiousAndy", "Denis", "Diogo", "Gene", "Henrique", "Hugo",
    "Jacky", "Lee", "Marco", "Mario", "Michael", "Mike", "Mr_serious", "Nguyen", "Reed", "RicishayMax",
    "RicishayMax2", "Storm", "Tweaky", "UniRobot", "adam", "anika", "announcer", "antonio", "aunty", "belinda",
    "benjamin", "boris", "croak", "david", "ed", "edward", "edward2", "f1", "f2", "f3", "f4", "f5", "grandma",
    "grandpa", "gustave", "ian", "iven", "iven4", "john", "kaukovalta", "klatt", "klatt2", "klatt3", "klatt4",
    "klatt5", "klatt6", "linda", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "marcelo", "max", "michel",
    "miguel", "mike2", "norbert", "pablo", "paul", "pedro", "quincy", "rob", "robert", "robosoft", "robosoft2",
    "robosoft3", "robosoft4", "robosoft5", "robosoft6", "robosoft7", "robosoft8", "sandro", "shelby", "steph",
    "travis", "victor", "whisper", "whisperf", "zac",
)
# fmt: on


@dataclass(frozen=True)
class Speaker:
    """A synthetic speaker."""

    accent: str
    variant: str

    @property
    def name(self) -> str:
        """The speaker's name in manifests."""
        return f"{self.accent}-{self.variant}"

    @property
    def files(self) -> tuple[str, str]:
        """The accent's and the variant's names in espeak-ng's data."""
        return ACCENTS[self.accent], self.variant.replace("_", " ")


def cast(voices: Mapping[str, int], key: Key) -> dict[str, tuple[Speaker, ...]]:
    """The speakers of each set, by how many `voices` it has: no variant, whatever its accent, is in two sets.

    While there are variants enough for all, each speaker has one of his own; beyond, variants return in their own set
    with another accent. Accents are dealt out in turn, so each set has as many of them as it can. Raises ConfigError
    where there are not enough voices.
    """
    total = sum(voices.values())
    shares = {
        name: count if total <= len(VARIANTS) else count * len(VARIANTS) // total for name, count in voices.items()
    }
    order = iter(_shuffled(VARIANTS, key["variants"]))
    speakers: dict[str, tuple[Speaker, ...]] = {}
    for name, count in voices.items():
        own = [next(order) for _ in range(shares[name])]
        if not 1 <= count <= len(own) * len(ACCENTS):
            raise ConfigError(
                f"{name}_voices = {count}: there are voices for 1 to {len(own) * len(ACCENTS)}, beside the other sets' "
                f"({len(VARIANTS)} variants in {len(ACCENTS)} accents, no variant in two sets)"
            )
        accents = _shuffled(tuple(ACCENTS), key["accents", name])
        speakers[name] = tuple(
            Speaker(accents[(place + place // len(own)) % len(accents)], own[place % len(own)])
            for place in range(count)
        )
    return speakers


def _shuffled(names: tuple[str, ...], key: Key) -> list[str]:
    order: np.ndarray = key.generator().permutation(len(names))
    return [names[place] for place in order]
