"""Speech Commands' data: what `prepare` writes, and what `DatasetVerify` says about good and bad clips."""

import io
import os
import shutil
import struct
import tarfile
import wave
from functools import partial

import numpy as np
import pytest
import torch
import verifying
from verifying import assert_advice_helps, assert_locked_is_refused, assert_refused, open_folder, remove, restore

from alphamed_tutorials.catalogue import find
from alphamed_tutorials.data.folders import find_nodes
from alphamed_tutorials.data.prepare import prepare as prepare_data
from alphamed_tutorials.errors import TutorialError
from alphamed_tutorials.examples.speech_commands import dataset_verify, synthesiser
from alphamed_tutorials.examples.speech_commands.data import WordDataset, find_clips, read_clip, sample_inputs
from alphamed_tutorials.examples.speech_commands.dataset_verify import DataError, DatasetVerify
from alphamed_tutorials.examples.speech_commands.model import RECORDED_RATE, WORDS

CLIP = "0123abcd_nohash_0.wav"


def prepare(out, partition="owners", nodes=3, seed=1, source=None):
    return prepare_data("speech_commands", out, nodes, partition, source, seed)


def wav(samples=None, rate=16000, channels=1, width=2):
    """Return a WAV file."""
    samples = np.arange(8000, dtype="<i2") if samples is None else samples
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())
    return stream.getvalue()


def write_set(folder, speakers=6, takes=2):
    """Write a small set in the official layout; each clip's samples tell its word, speaker and take."""
    for number, word in enumerate(WORDS):
        (folder / word).mkdir(parents=True)
        for speaker in range(speakers):
            for take in range(takes):
                samples = np.arange(100, dtype="<i2") + 1000 * number + 100 * speaker + 10 * take
                (folder / word / f"{speaker:08x}_nohash_{take}.wav").write_bytes(wav(samples))
    return folder


check = partial(verifying.check, DatasetVerify)


def write_clips(folder):
    """Write one sound clip of each word and return the folder."""
    for word in WORDS:
        (folder / word).mkdir(parents=True)
        (folder / word / CLIP).write_bytes(wav())
    return folder


def speakers(folder):
    return {path.name.split("_")[0] for path in folder.glob("*/*.wav")}


@pytest.fixture
def node(tmp_path):
    """Return a node's data folder with one sound clip of each word."""
    return write_clips(tmp_path / "node")


@pytest.fixture(scope="module")
def embedded(tmp_path_factory):
    """Return the embedded data over three nodes, and what `prepare` says of it."""
    folder = tmp_path_factory.mktemp("embedded") / "data"
    return folder, prepare(folder)


# ---- prepare


def test_embedded_data_is_dealt_out_and_sound(embedded):
    data, facts = embedded
    folders = find_nodes(data)
    assert list(folders) == ["aggregator", "node1", "node2", "node3"]
    for name, folder in folders.items():
        split = "test" if name == "aggregator" else "train"
        assert check(folder, (split,))[0]
        counts = facts["counts"][name][split]
        assert counts == {word: len(list((folder / word).glob("*.wav"))) for word in WORDS}
    assert sum(facts["counts"]["aggregator"]["test"].values()) == 6 * 10 * 3
    assert sum(facts["counts"]["node1"]["train"].values()) == 8 * 10 * 3


def test_no_speaker_is_on_two_nodes(embedded):
    found = [speakers(folder) for folder in find_nodes(embedded[0]).values()]
    assert sum(map(len, found)) == len(set.union(*found)) == synthesiser.SPEAKERS


@pytest.mark.parametrize("partition", ["iid", "dirichlet:0.5", "owners"])
def test_no_speaker_is_in_training_and_test(tmp_path, partition):
    write_set(tmp_path / "source", speakers=12)
    prepare(tmp_path / "data", partition, source=tmp_path / "source")
    test, *owners = (speakers(folder) for folder in find_nodes(tmp_path / "data").values())
    assert len(test) == 2 and not test & set.union(*owners)
    assert len(set.union(*owners)) == 10


def test_same_seed_same_bytes_and_the_test_set_depends_on_nothing(embedded, tmp_path):
    def contents(folder):
        return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.wav")}

    prepare(tmp_path / "again")
    assert contents(embedded[0]) == contents(tmp_path / "again")
    prepare(tmp_path / "other", "iid", nodes=2, seed=9)
    assert contents(embedded[0] / "nodes/aggregator") == contents(tmp_path / "other/nodes/aggregator")


def test_embedded_voices_differ_as_files_and_words(tmp_path):
    synthesiser.speak_all(tmp_path)
    contents = [path.read_bytes() for path in tmp_path.rglob("*.wav")]
    assert len(contents) == len(set(contents)) == synthesiser.SPEAKERS * synthesiser.TAKES * len(WORDS)
    assert set(synthesiser.SPELLED) == set(WORDS)


def test_clips_keep_their_words_and_every_clip_is_dealt_out_once(tmp_path):
    source = write_set(tmp_path / "source")
    prepare(tmp_path / "data", "dirichlet:0.5", source=source)
    folders = find_nodes(tmp_path / "data").values()
    found = [(path.parent.name, path.name, path.read_bytes()) for folder in folders for path in folder.rglob("*.wav")]
    original = [(path.parent.name, path.name, path.read_bytes()) for path in source.rglob("*.wav")]
    assert sorted(found) == sorted(original)


def test_clips_are_linked_where_possible_and_copied_elsewhere(tmp_path, monkeypatch):
    source = write_set(tmp_path / "source")
    prepare(tmp_path / "linked", source=source)
    assert all(path.stat().st_nlink == 2 for path in (tmp_path / "linked").rglob("*.wav"))

    def refuse(*_):
        raise OSError("another disk")

    monkeypatch.setattr(os, "link", refuse)
    prepare(tmp_path / "copied", source=source)
    assert all(path.stat().st_nlink == 1 for path in (tmp_path / "copied").rglob("*.wav"))
    assert len(list((tmp_path / "copied").rglob("*.wav"))) == 120


def test_the_official_list_chooses_the_test(tmp_path):
    source = write_set(tmp_path / "source")
    listed = sorted(f"{word}/{name:08x}_nohash_{take}.wav" for word in WORDS for name in (2, 5) for take in (0, 1))
    (source / "testing_list.txt").write_text("\n".join(listed) + "\nbed/0_nohash_0.wav\n")
    prepare(tmp_path / "data", source=source)
    assert speakers(tmp_path / "data/nodes/aggregator") == {"00000002", "00000005"}
    assert (tmp_path / "data/nodes/aggregator/testing_list.txt").read_text().split() == listed


FORMS = {
    "byte order mark": lambda line: f"\ufeff{line}",
    "back-slashes": lambda line: line.replace("/", "\\"),
    "here": lambda line: f"./{line}",
    "from elsewhere": lambda line: f"C:\\data\\speech_commands\\{line}",
    "bare name": lambda line: line.split("/")[1],
    "quoted": lambda line: f'"{line}"\r\n\n ',
}


@pytest.mark.parametrize("form", FORMS)
def test_every_usual_form_of_a_line_is_understood(node, form):
    (node / "yes/ffff0000_nohash_0.wav").write_bytes(wav(np.arange(50, dtype="<i2")))
    (node / "testing_list.txt").write_text(FORMS[form]("yes/ffff0000_nohash_0.wav"), encoding="utf-8", newline="")
    assert [path.name for path, _ in find_clips(node, train=False)] == ["ffff0000_nohash_0.wav"]
    assert len(find_clips(node, train=True)) == 10
    assert check(node, ("train", "test"))[0]


@pytest.mark.parametrize("line", ["yse/ffff0000_nohash_0.wav", CLIP, "yes", "yes/a.wav yes/b.wav", "# yes/a.wav"])
def test_a_line_that_is_not_understood_is_named_by_verification_training_and_prepare(node, tmp_path, line):
    (node / "testing_list.txt").write_text(f"bed/0_nohash_0.wav\n{line}\n")
    expected = f'testing_list.txt: the line "{line}" names no clip, or more than one'
    assert expected in check(node)[1]
    for read in (lambda: find_clips(node, train=True), lambda: prepare(tmp_path / "data", source=node)):
        with pytest.raises((DataError, TutorialError)) as error:
            read()
        assert expected in str(error.value)


def test_a_list_of_another_name_is_no_list_and_said(node):
    (node / "testing_list.txt.txt").write_text(f"yes/{CLIP}\n")
    assert "testing_list.txt.txt: is not read as testing_list.txt" in check(node)[1]


def test_what_the_system_leaves_is_no_clip_anywhere(node, tmp_path):
    for name in ("._0123abcd_nohash_0.wav", ".DS_Store", "Thumbs.db", "desktop.ini"):
        (node / "yes" / name).write_bytes(b"x")
    assert check(node) == (True, "hospital: 10 train clips of 10 words by 1 speakers are sound (数据可用)")
    assert len(WordDataset(node, train=True)) == 10
    write_set(tmp_path / "source")
    (tmp_path / "source/yes/._0123abcd_nohash_0.wav").write_bytes(b"x")
    prepare(tmp_path / "data", source=tmp_path / "source")
    assert len(list((tmp_path / "data").rglob("*.wav"))) == 120


def chunk(name, content, size=None):
    return name + struct.pack("<I", len(content) if size is None else size) + content


def riff(*chunks, size=None):
    return chunk(b"RIFF", b"WAVE" + b"".join(chunks), size)


SAMPLES = np.arange(8000, dtype="<i2").tobytes()
PLAIN = chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, 16000, 32000, 2, 16))
EXTENSIBLE = chunk(
    b"fmt ",
    struct.pack("<HHIIHHHHI", 0xFFFE, 1, 16000, 32000, 2, 16, 22, 16, 4)
    + b"\1\0\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71",
)
HEADERS = {
    "plain": riff(PLAIN, chunk(b"data", SAMPLES)),
    "with a list before": riff(PLAIN, chunk(b"LIST", b"INFOx\0"), chunk(b"data", SAMPLES)),
    "written through a pipe": riff(PLAIN, chunk(b"data", SAMPLES, 0xFFFFFFFF), size=0xFFFFFFFF),
    "written through SoX's pipe": riff(PLAIN, chunk(b"data", SAMPLES, 0x7FFFF000 - 36), size=0x7FFFF000),
    "extensible": riff(EXTENSIBLE, chunk(b"data", SAMPLES)),
}


@pytest.mark.parametrize("name", HEADERS)
def test_every_sound_header_is_read(node, name):
    (node / "yes" / CLIP).write_bytes(HEADERS[name])
    assert check(node)[0]
    assert read_clip(node / "yes" / CLIP)[:8000].tolist() == list(range(8000))


def test_an_official_archive_is_unpacked(tmp_path):
    write_set(tmp_path / "official")
    (tmp_path / "official/_silence_").mkdir()
    (tmp_path / "official/_silence_/0.wav").write_bytes(b"noise")
    (tmp_path / "source").mkdir()
    with tarfile.open(tmp_path / "source/speech_commands_test_set_v0.02.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "official", "./")
    prepare(tmp_path / "data", source=tmp_path / "source")
    assert len(list((tmp_path / "data").rglob("*.wav"))) == 120
    assert {path.name for path in (tmp_path / "data").iterdir()} == {"nodes", "prepare.json"}
    assert find("speech_commands").facts.data.unpack == (*WORDS, "testing_list.txt")


def test_a_damaged_source_is_refused_with_everything_that_is_wrong(tmp_path):
    source = write_set(tmp_path / "source")
    (source / "yes/00000001_nohash_0.wav").write_bytes(b"<html>")
    (source / "no/00000001_nohash_0.wav").write_bytes(b"")
    with pytest.raises(TutorialError) as error:
        prepare(tmp_path / "data", source=source)
    assert "web page" in str(error.value) and "file is empty" in str(error.value)
    assert os.listdir(tmp_path) == ["source"]


@pytest.mark.real_data
def test_real_words(tmp_path, shared_data):
    facts = prepare(tmp_path / "data", source=shared_data / "speech_commands")
    folders = find_nodes(tmp_path / "data")
    assert all(check(folder, ("test" if name == "aggregator" else "train",))[0] for name, folder in folders.items())
    total = sum(n for splits in facts["counts"].values() for words in splits.values() for n in words.values())
    found = [speakers(folder) for folder in folders.values()]
    assert total == 2548 and sum(map(len, found)) == len(set.union(*found)) == 173 and len(found[0]) == 34


# ---- reading


def test_a_clip_becomes_exactly_one_second(tmp_path):
    for length in (1, 8000, 16000):
        (tmp_path / CLIP).write_bytes(wav(np.full(length, 7, dtype="<i2")))
        samples = read_clip(tmp_path / CLIP)
        assert samples.shape == (16000,) and (samples == 7).sum() == length == samples.nonzero().max() + 1


def test_a_clip_of_another_kind_is_an_error(tmp_path):
    (tmp_path / CLIP).write_bytes(wav(rate=8000))
    with pytest.raises(DataError, match=f"{CLIP}: 8000 Hz, 1 channels, 16 bits, not 16000 Hz"):
        read_clip(tmp_path / CLIP)


def test_a_dataset_without_clips_is_an_error(node):
    with pytest.raises(FileNotFoundError, match="holds no test clip"):
        WordDataset(node, train=False)


def test_a_tone_keeps_its_pitch_at_the_model_s_rate(node):
    seconds = np.arange(RECORDED_RATE) / RECORDED_RATE
    (node / "yes" / CLIP).write_bytes(wav((8000 * np.sin(2 * np.pi * 440 * seconds)).astype("<i2")))
    waveform, label = WordDataset(node, train=True)[WORDS.index("yes")]
    assert waveform.shape == (1, 8000) and label == WORDS.index("yes")
    assert torch.fft.rfft(waveform[0]).abs().argmax() == 440  # a bin is 1 Hz
    assert abs(waveform.abs().max() - 8000 / 32768) < 0.01


def test_a_node_that_has_both_splits_tells_them_apart(node):
    (node / "yes/ffff0000_nohash_0.wav").write_bytes(wav(np.arange(50, dtype="<i2")))
    (node / "testing_list.txt").write_text("yes/ffff0000_nohash_0.wav\n")
    assert len(WordDataset(node, train=True)) == 10 and len(WordDataset(node, train=False)) == 1
    assert check(node, ("train", "test"))[0]


def test_sample_inputs_come_from_all_over_the_test_set(embedded):
    folder = embedded[0] / "nodes/aggregator"
    inputs = sample_inputs(folder, 20)
    assert inputs.shape == (20, 16000) and inputs.dtype == torch.int16
    labels = {
        label for path, label in find_clips(folder, train=False) if any(torch.equal(read_clip(path), x) for x in inputs)
    }
    assert labels == set(range(10))


# ---- DatasetVerify


def test_words_and_rate_are_those_of_the_model():
    assert dataset_verify.WORDS == WORDS and dataset_verify.RATE == RECORDED_RATE  # DatasetVerify travels alone


def test_sound_clips_are_accepted(node):
    assert check(node) == (True, "hospital: 10 train clips of 10 words by 1 speakers are sound (数据可用)")


def test_other_official_folders_and_hidden_files_are_no_fault(node):
    for name in ("_background_noise_", "bed", ".cache"):
        (node / name).mkdir()
    (node / "yes/.DS_Store").write_bytes(b"x")
    (node / "LICENSE").write_text("CC BY 4.0")
    assert check(node)[0]


def test_an_empty_word_folder_says_that_there_is_no_such_clip(node):
    (node / "go" / CLIP).unlink()
    assert "9 train clips of 9 words" in check(node)[1]


def put(content, word="yes", name=CLIP):
    """Return a damage: put bytes in place of a clip."""
    return lambda node: (node / word / name).write_bytes(content)


def in_a_list(names):
    return lambda node: (node / "testing_list.txt").write_bytes(names)


def replace_by_folder(node):
    (node / "yes" / CLIP).unlink()
    (node / "yes" / CLIP).mkdir()


def same_speaker_on_both_sides(node):
    (node / "yes/0123abcd_nohash_1.wav").write_bytes(wav())
    (node / "testing_list.txt").write_text("yes/0123abcd_nohash_1.wav\n")


FLOATS = wav().replace(b"fmt \x10\0\0\0\x01\0", b"fmt \x10\0\0\0\x03\0")
LONG_HEADER = wav()[:40] + struct.pack("<I", 32000) + wav()[44:]
DAMAGES = {
    "missing data folder": (shutil.rmtree, "node", "the folder is missing"),
    "missing word folder": (lambda node: shutil.rmtree(node / "stop"), "stop", "the word's folder is missing"),
    "unknown word folder": (lambda node: (node / "yse").mkdir(), "yse", "yse is not among the words down, go"),
    "file for a word folder": (
        lambda node: (shutil.rmtree(node / "up"), (node / "up").write_text("")), "up", "cannot be read: Not a directory",
    ),
    "wrong sample rate": (put(wav(rate=8000)), CLIP, "8000 Hz, 1 channels, 16 bits, not 16000 Hz, 1, 16"),
    "stereo": (put(wav(channels=2)), CLIP, "16000 Hz, 2 channels"),
    "8 bits": (put(wav(width=1)), CLIP, "1 channels, 8 bits"),
    "24 bits": (put(wav(np.arange(9000, dtype="u1"), width=3)), CLIP, "1 channels, 24 bits"),
    "floats": (put(FLOATS), CLIP, "holds no plain samples"),
    "zero bytes": (put(b""), CLIP, "the file is empty"),
    "zero length": (put(wav(np.zeros(0, dtype="<i2"))), CLIP, "holds no sample"),
    "truncated": (put(wav()[:-1000]), CLIP, "7500 samples follow a header that says 8000"),
    "header says more": (put(LONG_HEADER), CLIP, "8000 samples follow a header that says 16000"),
    "truncated header": (put(wav()[:30]), CLIP, "the header is cut off"),
    "web page": (put(b"\xef\xbb\xbf\r\n <!DOCTYPE html><html>Please log in</html>"), CLIP, "is a web page, not sound"),
    "another format": (put(b"ID3\x03" + bytes(500)), CLIP, "starts with b'ID3\\x03', so it is no WAV file"),
    "silence": (put(wav(np.zeros(16000, dtype="<i2"))), CLIP, "is silent"),
    "nothing but an offset": (put(wav(np.full(16000, 5, dtype="<i2"))), CLIP, "is silent"),
    "half a sample": (
        put(riff(PLAIN, chunk(b"data", SAMPLES[:-1]))), CLIP, "15999 bytes are no whole number of 16-bit samples",
    ),
    "far too large": (put(wav(np.zeros(600_000, "<i2"))), CLIP, "has more than 1048576 bytes, one second has 32044"),
    "list in UTF-16": (in_a_list("yes/x.wav".encode("utf-16")), "testing_list.txt", "is no UTF-8 text"),
    "too long": (put(wav(np.arange(48000).astype("<i2"))), CLIP, "lasts 3.0 s, more than one second"),
    "wrong name": (put(wav(), name="mary_yes_1.wav"), "mary_yes_1.wav", "the name is not SPEAKER_nohash_N.wav"),
    "wrong ending": (put(wav(), name="0123abcd_nohash_1.mp3"), "0123abcd_nohash_1.mp3", "the name is not SPEAKER"),
    "folder for a clip": (replace_by_folder, CLIP, "cannot be read: Is a directory"),
    "same speaker in train and test": (same_speaker_on_both_sides, "testing_list.txt", "1 speakers are in training and"),
    "list of missing clips": (in_a_list(b"yes/aaaaaaaa_nohash_0.wav\n"), "testing_list.txt", "names yes/aaaaaaaa_nohash_0.wav, which is missing"),
    "list in another encoding": (in_a_list(b"\xff\xfey\0e\0s\0"), "testing_list.txt", "is no UTF-8 text"),
    "no clip": (
        lambda node: [path.unlink() for path in node.rglob("*.wav")], "node", "holds no train clip",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGES)
def test_bad_data_is_refused_with_node_file_reason_and_advice(node, name, caplog):
    damage, file, reason = DAMAGES[name]
    damage(node)
    assert_refused(DatasetVerify, node, file, reason, caplog)


def cut_out(path, original, said):
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(16000), "<i2")
    path.write_bytes(wav(samples))


CURES = {
    "Copy the data there": restore,
    "Copy it, or make an empty one if this node has no such clip": lambda path, original, said: path.mkdir(),
    "Download it again": restore,
    "Copy it again": restore,
    "Rename it, or move it away": lambda path, original, said: path.rename(path.with_name("0123abcd_nohash_7.wav")),
    "Delete or replace it": remove,
    "Convert it to 16000 Hz, one channel, 16 bits": restore,
    "Cut out the word": cut_out,
    "Correct its name, or move it away": remove,
    "Keep all clips of a speaker on one side": remove,
    "Give this node data": restore,
    "Move away what lies there, and put the data in its place": restore,
    "Save it as UTF-8": lambda path, original, said: path.write_text(path.read_text("utf-16"), "utf-8"),
    "Write WORD/SPEAKER_nohash_N.wav": lambda path, original, said: path.write_text("yes/ffffffff_nohash_0.wav"),
    "Copy it, too": lambda path, original, said: (path.parent / said.split()[1].strip(",")).write_bytes(wav()),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_following_the_advice_leads_to_sound_data(node, name):
    assert_advice_helps(DatasetVerify, node, DAMAGES[name][0], CURES)


@pytest.mark.parametrize("locked", [f"yes/{CLIP}", "yes", "."])
def test_what_may_not_be_read_is_refused(locked):
    with open_folder() as folder:
        write_clips(folder)
        assert_locked_is_refused(DatasetVerify, folder, locked)


def test_every_damage_is_named_and_a_flood_is_cut(node):
    for word in WORDS:
        for take in range(3):
            (node / word / f"0123abcd_nohash_{take}.wav").write_bytes(b"")
    lines = check(node)[1].splitlines()
    assert len(lines) == 21 and lines[-1].startswith("hospital: 10 more problems")


def test_an_unexpected_error_is_reported_not_raised(node, monkeypatch):
    monkeypatch.setattr(dataset_verify, "read_test_list", lambda folder: 1 / 0)
    ok, text = check(node)
    assert not ok and "ZeroDivisionError" in text and "Ask the task's author" in text
