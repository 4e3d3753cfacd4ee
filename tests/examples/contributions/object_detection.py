"""Six drawn pictures, brought to 48 pixels, train a detector in seconds; what it finds then is not yet worth a test."""

from pathlib import Path

from alphamed_tutorials.examples.object_detection.prepare import draw_pictures

from . import Contribution


def draw_few(folder: Path) -> None:
    """Draw six pictures, four for training and two for testing."""
    pictures = folder / "PennFudanPed"
    pictures.mkdir(parents=True)
    draw_pictures(pictures, 6)


CONTRIBUTION = Contribution(
    make_source=draw_few, settings={"min_size": 48}, learning={"max_rounds": 6, "min_size": 48, "warmup_steps": 2}
)
