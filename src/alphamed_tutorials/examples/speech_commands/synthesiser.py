"""Speak the ten words with invented voices: the embedded data. It sounds like a toy, and no real voice is in it.

A voice is a row of overtones that the mouth colours: its resonances, the formants, tell vowels apart (Peterson and
Barney 1952), and noise makes the consonants. Pitch, formants, speed and accent differ from speaker to speaker.
"""

import hashlib
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np

SPEAKERS, TAKES = 30, 3  # each speaker says each word so many times
# Nothing lies above 4 kHz, so half the rate is enough to compute at.
RATE, FILE_RATE = 8000, 16000
FRAME = 80  # samples between two settings of the mouth: 10 ms
BANDS = ((200, 1500), (1500, 3000), (3000, 4000))  # Hz, of the noises

# Three formants in Hz, loudness of the voice, of the noises in the three bands, and seconds.
SOUNDS = {
    "i": (280, 2250, 2900, 1, 0, 0, 0, 0.10),
    "e": (530, 1840, 2480, 1, 0, 0, 0, 0.13),
    "a": (730, 1200, 2440, 1, 0, 0, 0, 0.13),
    "v": (640, 1190, 2390, 1, 0, 0, 0, 0.14),
    "o": (500, 900, 2400, 1, 0, 0, 0, 0.15),
    "O": (590, 900, 2400, 1, 0, 0, 0, 0.16),
    "u": (330, 850, 2240, 1, 0, 0, 0, 0.11),
    "n": (250, 1300, 2300, 0.4, 0, 0, 0, 0.10),
    "l": (360, 1100, 2600, 0.6, 0, 0, 0, 0.09),
    "r": (320, 1100, 1600, 0.6, 0, 0, 0, 0.09),
    "s": (400, 1600, 2600, 0, 0, 0.1, 0.5, 0.13),
    "f": (400, 1100, 2200, 0, 0.05, 0.1, 0.1, 0.12),
    "d": (250, 1700, 2600, 0.2, 0, 0.2, 0.2, 0.03),
    "g": (250, 1800, 2300, 0.2, 0.1, 0.3, 0, 0.03),
    "p": (400, 900, 2200, 0, 0.5, 0.1, 0, 0.02),
    "t": (400, 1700, 2600, 0, 0, 0.2, 0.5, 0.03),
    "_": (400, 1400, 2400, 0, 0, 0, 0, 0.06),
}
SPELLED = {
    "down": "daun",
    "go": "gou",
    "left": "lef_t",
    "no": "nou",
    "off": "Of",
    "on": "On",
    "right": "rai_t",
    "stop": "s_tO_p",
    "up": "v_p",
    "yes": "ies",
}


@dataclass
class Voice:
    """What makes one speaker sound unlike another."""

    pitch: float  # Hz
    size: float  # formants of a small mouth lie higher
    speed: float
    dullness: float  # how fast overtones fade
    hiss: float  # of the room
    accent: dict[str, np.ndarray]  # sound -> its formants, compared to the table

    @classmethod
    def draw(cls, random: np.random.Generator) -> "Voice":
        """Return a new voice."""
        height = random.uniform()
        accent = {sound: random.uniform(0.94, 1.06, 3) for sound in SOUNDS}
        return cls(
            pitch=90 * 2.8**height,
            size=0.92 + 0.2 * height + random.uniform(-0.04, 0.04),
            speed=random.uniform(0.8, 1.2),
            dullness=random.uniform(0.8, 1.4),
            hiss=random.uniform(0.001, 0.01),
            accent=accent,
        )


def speak_all(folder: Path) -> None:
    """Write every word of every speaker as WORD/SPEAKER_nohash_N.wav."""
    for word in SPELLED:
        (folder / word).mkdir(parents=True)
    for number in range(SPEAKERS):
        speaker = hashlib.sha1(f"voice {number}".encode()).hexdigest()[:8]
        random = np.random.default_rng(number)
        voice = Voice.draw(random)
        for word in SPELLED:
            for take in range(TAKES):
                write_wav(
                    folder / word / f"{speaker}_nohash_{take}.wav",
                    speak(word, voice, random),
                )


def speak(word: str, voice: Voice, random: np.random.Generator) -> np.ndarray:
    """Return one second of 16-bit samples in which a voice says a word."""
    settings = move_mouth(word, voice, random)
    loudness, noises = settings[:, 3], settings[:, 4:]
    length = len(settings) * FRAME
    pitch = voice.pitch * random.uniform(0.94, 1.06) * np.linspace(1.08, 0.9, length)
    overtones = np.arange(1, int(0.48 * RATE / pitch.max()) + 1)
    frequencies = pitch[::FRAME, None] * overtones  # [frames, overtones]
    strength = (
        loudness[:, None]
        * colour(frequencies, settings[:, :3])
        * overtones**-voice.dullness
    )
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    sound = sum(np.sin(k * phase) * spread(strength[:, k - 1], length) for k in overtones)
    for (low, high), noise in zip(BANDS, noises.T):
        if noise.any():
            sound = sound + spread(noise, length) * band_noise(low, high, length, random)
    start = random.integers(0, RATE - length)
    clip = voice.hiss * random.standard_normal(RATE)
    clip[start : start + length] += sound / np.abs(sound).max() * random.uniform(0.3, 0.9)
    doubled = np.fft.irfft(np.fft.rfft(clip), FILE_RATE) * FILE_RATE / RATE
    return np.clip(np.rint(doubled * 32767), -32768, 32767).astype("<i2")


def move_mouth(word: str, voice: Voice, random: np.random.Generator) -> np.ndarray:
    """Return the formants, the voice's and the noises' loudness for each frame of a word."""
    frames = []
    for sound in SPELLED[word]:
        *values, seconds = SOUNDS[sound]
        setting = np.array(values, float)
        setting[:3] *= voice.size * voice.accent[sound] * random.uniform(0.97, 1.03, 3)
        count = max(
            2, round(seconds / voice.speed * random.uniform(0.85, 1.15) * RATE / FRAME)
        )
        frames += [setting] * count
    path = np.array(frames)
    path = np.concatenate(
        [path[:1] * [1, 1, 1, 0, 0, 0, 0], path, path[-1:] * [1, 1, 1, 0, 0, 0, 0]]
    )
    padded = np.pad(path, ((1, 1), (0, 0)), mode="edge")
    return (padded[:-2] + 2 * padded[1:-1] + padded[2:]) / 4  # a mouth does not jump


def colour(frequencies: np.ndarray, formants: np.ndarray) -> np.ndarray:
    """Return how strong each frequency [frames, K] leaves a mouth with these formants [frames, 3]."""
    strength = np.ones_like(frequencies)
    for formant, width in zip(formants.T[:, :, None], (80, 110, 160)):
        strength *= formant**2 / np.hypot(
            formant**2 - frequencies**2, width * frequencies
        )
    return strength


def spread(values: np.ndarray, length: int) -> np.ndarray:
    """Return one value a sample from one value a frame."""
    return np.interp(np.arange(length), np.arange(len(values)) * FRAME, values)


def band_noise(
    low: int, high: int, length: int, random: np.random.Generator
) -> np.ndarray:
    """Return noise between two frequencies."""
    spectrum = np.fft.rfft(random.standard_normal(length))
    frequencies = np.fft.rfftfreq(length, 1 / RATE)
    noise = np.fft.irfft(spectrum * ((frequencies >= low) & (frequencies < high)), length)
    return noise / noise.std()


def write_wav(path: Path, samples: np.ndarray) -> None:
    """Write 16-bit samples as Speech Commands' files are: 16 kHz, one channel."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(FILE_RATE)
        file.writeframes(samples.tobytes())
