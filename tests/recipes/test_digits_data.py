"""The digits corpora: synthetic voices and joined recordings, keyed by the seed, in sets that share no speaker."""

import errno
import hashlib
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile

from nst_asr.config import ConfigError, parse
from nst_asr.key import Key
from nst_asr.speech.audio import AudioError
from nst_asr.store import StoreError
from recipes.digits import layout, recordings, room
from recipes.digits.espeak import SpeechError, Voice
from recipes.digits.layout import SETS, WORDS
from recipes.digits.recordings import StringPlan, assign, find, join
from recipes.digits.synthesise import SynthesisPlan, synthesise
from recipes.digits.voices import ACCENTS, VARIANTS, cast

SMALL = SynthesisPlan(
    **{f"{name}_minutes": 0.15 for name in SETS}, labeled_voices=1, unlabeled_voices=2, dev_voices=1, test_voices=1
)
SPEAKERS = ("ann", "bob", "cy", "dee", "eve")


def digests(folder: Path) -> dict[str, str]:
    """A digest of each file below a folder."""
    files = (file for file in folder.rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def table(out: Path, name: str) -> pl.DataFrame:
    return pl.read_csv(out / f"{name}.tsv", separator="\t")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("synthetic")
    synthesise(out, SMALL, workers=1)
    return out


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three recordings of every digit by five speakers: tones whose frequency says which."""
    place = tmp_path / "recordings"
    place.mkdir()
    for number, speaker in enumerate(SPEAKERS):
        for digit in range(10):
            for index in range(3):
                times = np.arange(800 + 40 * index) / 8000
                wave = 0.1 * np.sin(2 * np.pi * (300 + 100 * digit + 10 * number + index) * times)
                soundfile.write(place / f"{digit}_{speaker}_{index}.flac", wave, 8000)
    return place


def test_the_same_seed_gives_the_same_bytes_whatever_the_number_of_workers(corpus: Path, tmp_path: Path) -> None:
    synthesise(tmp_path, SMALL, workers=3)
    assert digests(tmp_path) == digests(corpus)


def test_another_seed_gives_other_bytes(corpus: Path, tmp_path: Path) -> None:
    synthesise(tmp_path, SMALL.model_copy(update={"seed": 1}), workers=2)
    first, second = digests(corpus), digests(tmp_path)
    assert not set(first.values()) & set(second.values())


def test_the_unlabeled_manifest_has_no_text_and_the_truth_lies_beside_it(corpus: Path) -> None:
    assert table(corpus, "unlabeled").columns == ["id", "path", "speaker", "seconds"]
    assert table(corpus, "labeled").columns == ["id", "path", "text", "speaker", "seconds"]
    truth = table(corpus, "unlabeled.truth")
    assert truth.columns == ["id", "text"]
    assert truth["id"].to_list() == table(corpus, "unlabeled")["id"].to_list()


def test_synthetic_files_are_as_the_manifest_says_neither_silent_nor_clipped(corpus: Path) -> None:
    for name in SETS:
        rows = table(corpus, name)
        assert rows["seconds"].sum() >= 9
        for row in rows.iter_rows(named=True):
            wave, rate = soundfile.read(corpus / row["path"])
            assert (rate, wave.ndim, len(wave) / rate) == (8000, 1, pytest.approx(row["seconds"], abs=1e-5))
            level = 20 * np.log10(np.sqrt(np.square(wave).mean()))
            assert -32.1 < level < -17.9
            assert np.abs(wave).max() < 0.951


def test_synthetic_texts_are_one_to_seven_digits_at_a_human_pace(corpus: Path) -> None:
    rows = pl.concat([table(corpus, name).select("text", "seconds") for name in ("labeled", "dev", "test")])
    counts = [len(text.split()) for text in rows["text"]]
    assert set(" ".join(rows["text"]).split()) <= set(WORDS)
    assert 1 <= min(counts) < max(counts) <= 7
    assert 0.2 < rows["seconds"].sum() / sum(counts) < 0.8


def test_no_two_sets_share_a_speaker_or_a_variant() -> None:
    voices = {"labeled": 4, "unlabeled": 40, "dev": 16, "test": 24}
    speakers = cast(voices, Key(0))
    assert {name: len(set(several)) for name, several in speakers.items()} == voices
    variants = [{speaker.variant for speaker in several} for several in speakers.values()]
    assert len(set.union(*variants)) == sum(map(len, variants)) == 84
    assert {speaker.accent for speaker in speakers["test"]} == set(ACCENTS)
    assert cast(voices, Key(0)) == speakers != cast(voices, Key(1))


def test_beyond_the_variants_voices_return_in_their_own_set_with_another_accent() -> None:
    speakers = cast({"labeled": 10, "unlabeled": 300, "dev": 10, "test": 20}, Key(0))
    assert len({speaker.name for several in speakers.values() for speaker in several}) == 340
    pool = {speaker.variant for speaker in speakers["unlabeled"]}
    assert not pool & {speaker.variant for name in ("labeled", "dev", "test") for speaker in speakers[name]}


def test_too_many_voices_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"labeled_voices = 1: .* \(94 variants in 8 accents"):
        cast({"labeled": 1, "unlabeled": 8000, "dev": 1, "test": 1}, Key(0))


@pytest.mark.slow
def test_every_voice_speaks_every_digit_and_no_two_alike() -> None:
    heard = set()
    for place, variant in enumerate(VARIANTS):
        accent = list(ACCENTS.values())[place % len(ACCENTS)]
        with Voice(accent, variant.replace("_", " ")) as voice:
            waves = [voice.say(word, seed=0) for word in WORDS]
        assert all(0.1 < len(room.trim(wave, voice.rate)) / voice.rate < 1.5 for wave in waves), variant
        heard.add(hashlib.sha256(np.concatenate(waves).tobytes()).digest())
    assert len(heard) == len(VARIANTS)


def test_a_voice_that_breathes_is_the_same_from_the_same_seeds() -> None:
    def said(seed: int) -> bytes:
        with Voice("gmw/en-US-nyc", "whisperf") as voice:
            return b"".join(voice.say(text, seed=seed).tobytes() for text in ("one two", "three"))

    assert said(1) == said(1) != said(2)


@pytest.mark.parametrize(("accent", "variant"), [("gmw/en-US", "nobody"), ("gmw/en-nowhere", "f1")])
def test_a_voice_that_is_not_there_is_refused(accent: str, variant: str) -> None:
    with pytest.raises(SpeechError, match="no such voice"):
        Voice(accent, variant)


def test_a_voice_without_sound_is_refused_with_its_text() -> None:
    with Voice("gmw/en-US", "f1") as voice, pytest.raises(SpeechError, match=r"gmw/en-US\+f1 says ' ' .* silence"):
        voice.say(" ", seed=0)


def test_a_finished_corpus_is_left_as_it_is_and_a_missing_set_made_again(tmp_path: Path) -> None:
    synthesise(tmp_path, SMALL, workers=2)
    before = digests(tmp_path)
    (tmp_path / "dev.tsv").unlink()
    touched = (tmp_path / "labeled.tsv").stat().st_mtime_ns
    synthesise(tmp_path, SMALL, workers=2)
    assert digests(tmp_path) == before
    assert (tmp_path / "labeled.tsv").stat().st_mtime_ns == touched


def test_a_folder_of_another_plan_is_refused_naming_what_differs(corpus: Path) -> None:
    with pytest.raises(ConfigError, match=r"(?s)snr\.0: 5\.0 -> 0\.0.*Give another folder") as caught:
        synthesise(corpus, SMALL.model_copy(update={"seed": 7, "snr": (0.0, 25.0)}))
    assert "seed: 0 -> 7" in str(caught.value)
    assert "rate" not in str(caught.value)


@pytest.mark.parametrize(
    ("field", "value"), [("snr", [20.0, 5.0]), ("words", [0, 7]), ("decay", [0.0, 0.4]), ("level", [-20.0, 3.0])]
)
def test_a_range_the_wrong_way_round_or_out_of_bounds_is_refused(field: str, value: list[float]) -> None:
    with pytest.raises(ConfigError, match=f"{field} = .*give the lower end first, and both from"):
        parse(SynthesisPlan, {field: value})


def test_resampling_keeps_a_tone_below_the_new_nyquist_frequency_and_drops_one_above() -> None:
    times, fewer = np.arange(22050) / 22050, np.arange(8000) / 8000
    window = np.hanning(22050)
    low = room.resample(np.sin(2 * np.pi * 1000 * times) * window, 22050, 8000)
    assert len(low) == 8000
    assert low == pytest.approx(np.sin(2 * np.pi * 1000 * fewer) * np.interp(fewer, times, window), abs=1e-3)
    assert np.abs(room.resample(np.sin(2 * np.pi * 5000 * times) * window, 22050, 8000)).max() < 1e-3


def test_noise_has_the_stated_power_and_colour() -> None:
    wave = np.ones(16000)
    noise = room.add_noise(wave, 10.0, 2.0, Key(0).generator()) - wave
    assert np.square(noise).mean() == pytest.approx(0.1)
    power = np.square(np.abs(np.fft.rfft(noise * np.hanning(16000))))
    assert power[300:600].mean() / power[3000:6000].mean() == pytest.approx(100, rel=0.3)


def test_a_room_leaves_the_direct_sound_and_an_echo_of_the_stated_energy_and_decay() -> None:
    click = np.zeros(8000)
    click[0] = 1.0
    draw = Key(0).generator()
    heard = np.stack([room.reverberate(click, 8000, 0.4, 6.0, draw) for _ in range(50)])
    assert heard.shape == (50, 8000 + 1600)
    assert heard[:, 0] == pytest.approx(1.0)
    tail = np.square(heard[:, 1:])
    assert tail.sum(axis=1) == pytest.approx(10**-0.6)
    # 60 dB in 0.4 s are 15 dB in 0.1 s
    assert tail[:, :800].sum() / tail[:, 800:1600].sum() == pytest.approx(10**1.5, rel=0.1)


def test_a_level_is_met_unless_the_peak_would_pass_the_ceiling() -> None:
    wave = np.sin(np.arange(8000))
    assert np.square(room.to_level(wave, -20.0)).mean() == pytest.approx(0.01)
    assert np.abs(room.to_level(wave, 6.0)).max() == pytest.approx(0.95)


def test_trimming_keeps_twenty_milliseconds_around_what_is_loud() -> None:
    wave = np.zeros(8000)
    wave[3000:4000] = 0.5
    wave[:1000] = 0.5 * 10 ** (-41 / 20)
    assert len(room.trim(wave, 8000)) == 1000 + 2 * 160


def test_a_wave_that_would_clip_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="ann-0001: the wave goes beyond"):
        layout.save(tmp_path, "dev", "ann", "0001", ["one"], np.array([0.0, 1.01]), 8000)
    assert not list(tmp_path.rglob("*.flac"))


def test_a_wave_is_written_to_the_nearest_sixteen_bit_step(tmp_path: Path) -> None:
    line = layout.save(tmp_path, "dev", "ann", "0001", ["one", "two"], np.array([-1.0, 0.0, 5 / 32768, 1.0]), 8000)
    samples, _ = soundfile.read(tmp_path / line.path, dtype="int16")
    assert samples.tolist() == [-32768, 0, 5, 32767]
    assert (line.id, line.text, line.seconds) == ("ann-0001", "one two", 0.0005)


def test_a_full_disk_is_named_with_the_file_and_nothing_half_written_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(path: Path, content: bytes) -> int:
        with path.open("wb") as file:
            file.write(content[: len(content) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises(StoreError, match=r"ann-0001\.flac: No space left.*same command again"):
        layout.save(tmp_path, "dev", "ann", "0001", ["one"], np.full(800, 0.1), 8000)
    assert not list(tmp_path.rglob("*.flac"))


def test_every_recording_is_used_once_a_pass_and_no_speaker_twice(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    roles = join(folder, out, StringPlan(passes=3, held_out_passes=2))
    assert roles.model_dump() == {"test": ("eve",), "dev": ("ann",), "labeled": ("bob",), "unlabeled": ("cy", "dee")}
    for name, passes in (("labeled", 3), ("unlabeled.truth", 3), ("dev", 2), ("test", 2)):
        rows = table(out, name)
        speakers = 2 if name == "unlabeled.truth" else 1
        assert Counter(" ".join(rows["text"]).split()) == dict.fromkeys(WORDS, 3 * passes * speakers)
        assert max(len(text.split()) for text in rows["text"]) <= 7


def test_a_joined_file_holds_the_recordings_of_its_words_in_order(folder: Path, tmp_path: Path) -> None:
    plan = StringPlan(words=(3, 3), pause=(0.1, 0.1), margin=(0.05, 0.05), held_out_passes=1)
    join(folder, tmp_path / "out", plan)
    row = table(tmp_path / "out", "test").row(0, named=True)
    wave, _ = soundfile.read(tmp_path / "out" / row["path"])
    start, lengths = 400, []
    for word in row["text"].split():
        piece = wave[start : start + 800]
        frequency = np.abs(np.fft.rfft(piece * np.hanning(800), 8000)).argmax()
        digit, index = divmod(frequency - 300 - 40, 100)  # eve is number 4
        assert (WORDS[digit], index in (0, 1, 2)) == (word, True)
        lengths.append(800 + 40 * index)
        start += lengths[-1] + 800
    assert len(wave) == sum(lengths) + 2 * 800 + 2 * 400


def test_joined_strings_follow_from_the_seed(folder: Path, tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        join(folder, tmp_path / name, StringPlan(seed=seed))
    first, same, other = (digests(tmp_path / name) for name in "abc")
    assert first == same
    assert not set(first.values()) & set(other.values())


def test_pauses_are_as_loud_as_the_quietest_moment_of_the_recordings(folder: Path, tmp_path: Path) -> None:
    plan = StringPlan(words=(1, 1), margin=(0.2, 0.2))
    join(folder, tmp_path / "out", plan)
    row = table(tmp_path / "out", "dev").row(0, named=True)
    wave, _ = soundfile.read(tmp_path / "out" / row["path"])
    tone, noise = np.square(wave[1600:2400]).mean(), np.square(wave[:1600]).mean()
    assert noise == pytest.approx(tone, rel=0.25)  # a tone is as loud in every frame


def test_with_each_speaker_as_test_in_turn_everyone_has_every_role() -> None:
    rotations = [assign(SPEAKERS, {"test": [speaker]}) for speaker in SPEAKERS]
    for name, times in (("test", 1), ("dev", 1), ("labeled", 1), ("unlabeled", 2)):
        counts = Counter(speaker for roles in rotations for speaker in getattr(roles, name))
        assert counts == dict.fromkeys(SPEAKERS, times)
    assert rotations[1].model_dump() == {
        **{"test": ("bob",), "dev": ("cy",), "labeled": ("dee",)},
        "unlabeled": ("eve", "ann"),
    }


def test_given_speakers_stay_where_they_are_put() -> None:
    roles = assign(SPEAKERS, {"labeled": ["eve", "bob"]})
    assert roles.model_dump() == {"labeled": ("eve", "bob"), "test": ("dee",), "dev": ("ann",), "unlabeled": ("cy",)}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"dev": ["zed"]}, "--dev zed: no recordings of this speaker .there are ann, bob"),
        ({"dev": ["bob"], "labeled": ["bob"]}, "--dev bob: already in labeled"),
        ({"test": ["bob", "bob"]}, "--test bob: already in test"),
        ({"labeled": ["ann", "bob"], "test": ["cy", "dee"]}, "no speaker is left for unlabeled"),
    ],
)
def test_impossible_roles_are_refused(given: dict[str, list[str]], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        assign(SPEAKERS, given)


def test_a_folder_without_recordings_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such folder"):
        find(tmp_path / "missing")
    (tmp_path / "README.md").write_text("not audio")
    with pytest.raises(ConfigError, match="no files named"):
        find(tmp_path)


@pytest.mark.parametrize("name", ["ann_1_0.wav", "12_ann_0.flac", "1_ann.wav", "1_ann_x.FLAC"])
def test_a_wrongly_named_file_is_refused_with_its_name(folder: Path, name: str) -> None:
    (folder / name).touch()
    with pytest.raises(ConfigError, match=f"{name}: not named"):
        find(folder)


def test_a_recording_in_two_formats_is_refused(folder: Path) -> None:
    soundfile.write(folder / "1_ann_0.wav", np.zeros(100), 8000)
    with pytest.raises(ConfigError, match=r"1_ann_0\.flac and 1_ann_0\.wav|1_ann_0\.wav and 1_ann_0\.flac"):
        find(folder)


@pytest.mark.parametrize("content", ["nothing", "text", "silence"])
def test_a_file_that_cannot_be_used_is_refused_with_its_name(folder: Path, tmp_path: Path, content: str) -> None:
    bad = folder / "3_cy_1.flac"
    if content == "silence":
        soundfile.write(bad, np.zeros(800), 8000)
    else:
        bad.write_text("" if content == "nothing" else "this is no audio")
    with pytest.raises(AudioError, match=r"3_cy_1\.flac"):
        join(folder, tmp_path / "out", StringPlan())
    assert not (tmp_path / "out" / "unlabeled.tsv").exists()


def test_other_recordings_in_the_same_corpus_folder_are_refused(folder: Path, tmp_path: Path) -> None:
    join(folder, tmp_path / "out", StringPlan())
    (folder / "0_ann_0.flac").unlink()
    with pytest.raises(ConfigError, match="recordings: "):
        join(folder, tmp_path / "out", StringPlan())


def test_recordings_of_any_rate_are_brought_to_the_plans(folder: Path, tmp_path: Path) -> None:
    soundfile.write(folder / "0_eve_0.flac", 0.1 * np.sin(np.arange(1600)), 16000)
    join(folder, tmp_path / "out", StringPlan(words=(1, 1), margin=(0.0, 0.0)))
    zeros = table(tmp_path / "out", "test").filter(pl.col("text") == "zero")["seconds"]
    assert sorted(zeros.to_list()) == [0.1, 0.105, 0.11]


def command(script: str, *words: object) -> subprocess.CompletedProcess[str]:
    path = Path(recordings.__file__).with_name(script)
    line = [sys.executable, str(path), *map(str, words)]
    return subprocess.run(line, capture_output=True, text=True, cwd=path.parents[2] / "docs", check=False)


def test_the_command_joins_recordings_and_says_how_much(folder: Path, tmp_path: Path) -> None:
    done = command("recordings.py", folder, tmp_path / "out", "--test", "ann", "--labeled", "cy", "dee", "--passes", 1)
    assert done.returncode == 0, done.stderr
    assert set(table(tmp_path / "out", "labeled")["speaker"]) == {"cy", "dee"}
    assert "labeled: " in done.stderr


def test_the_command_reports_an_error_without_a_traceback(folder: Path, tmp_path: Path) -> None:
    done = command("recordings.py", folder, tmp_path / "out", "--test", "zed")
    assert (done.returncode, "--test zed" in done.stderr, "Traceback" in done.stderr) == (1, True, False)
    done = command("synthesise.py", tmp_path / "out", "--unlabeled-voices", 2000)
    assert (done.returncode, "voices = " in done.stderr, "Traceback" in done.stderr) == (1, True, False)
