"""The folders of the corpus parts that a configuration names; stage 0 of the recipe downloads those that can be.

python recipes/librispeech/parts.py CONFIG CORPUS SET         # one folder a line
python recipes/librispeech/parts.py CONFIG CORPUS --download  # what is missing, from OpenSLR
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from nst_asr.config import ConfigError
from nst_asr.given import read_plan
from nst_asr.speech.plan import Parts, SpeechPlan
from nst_asr.stages import SETS


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0, or 1 with a message that says which part is missing and what to do."""
    parser = argparse.ArgumentParser(description="Find or download the corpus parts that a configuration names.")
    parser.add_argument("config", type=Path, help="such as recipes/librispeech/conf/smoke.yaml")
    parser.add_argument("corpus", type=Path, help="the folder that holds the parts")
    parser.add_argument("set", nargs="?", choices=SETS, help="print the folders of this set's parts")
    parser.add_argument("--download", action="store_true", help="download the missing ones of LibriSpeech's own parts")
    options = parser.parse_args(arguments)
    try:
        parts = _parts(options.config)
        if options.download:
            download(parts, options.corpus)
        for folder in [] if options.set is None else folders(parts, options.corpus, options.set):
            print(folder)
    except (ConfigError, OSError) as error:
        print(f"parts.py: {error}", file=sys.stderr)
        return 1
    return 0


def folders(parts: Parts, corpus: Path, name: str) -> list[Path]:
    """The folders of a set's parts. Raises ConfigError for one that is not there."""
    there = sorted(path.name for path in corpus.glob("*/"))
    found = [corpus / part for part in getattr(parts, name)]
    for folder in found:
        if folder.name not in there:
            raise ConfigError(
                f"{folder}: no such part of the corpus ({corpus} holds {', '.join(there) or 'no folder'}); name the "
                "folder that holds the parts with --corpus, or change `parts` in the configuration"
            )
    return found


def download(parts: Parts, corpus: Path) -> None:
    """Download the parts that are missing in `corpus`, a folder named LibriSpeech, as lhotse does it.

    Raises ConfigError for a part that is not one of LibriSpeech's own.
    """
    from lhotse.recipes.librispeech import LIBRISPEECH, MINI_LIBRISPEECH, download_librispeech

    wanted = dict.fromkeys(part for name in SETS for part in getattr(parts, name))
    missing = [part for part in wanted if not (corpus / part).is_dir() or _half_unpacked(corpus / part)]
    strange = [part for part in missing if part not in (*LIBRISPEECH, *MINI_LIBRISPEECH)]
    if strange:
        raise ConfigError(
            f"{', '.join(strange)}: not in {corpus}, and no part that can be downloaded; name the folder that holds "
            "it with --corpus"
        )
    if missing and corpus.name != "LibriSpeech":
        raise ConfigError(f"{corpus}: the archives unpack to a folder named LibriSpeech; give --corpus .../LibriSpeech")
    if missing:
        print(f"downloading {', '.join(missing)} to {corpus}")
        download_librispeech(corpus.parent, dataset_parts=missing)


def _half_unpacked(folder: Path) -> bool:
    """Whether a download of this folder was stopped: lhotse marks what it has finished, and keeps the archive."""
    return not (folder / ".completed").exists() and (folder.parent.parent / f"{folder.name}.tar.gz").exists()


def _parts(config: Path) -> Parts:
    parts = read_plan(SpeechPlan, config).parts
    if parts is None:
        raise ConfigError(f"{config}: no `parts`; say of which parts of the corpus each set is made")
    return parts


if __name__ == "__main__":
    sys.exit(main())
