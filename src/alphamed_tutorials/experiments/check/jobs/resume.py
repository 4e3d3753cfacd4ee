"""Go on with a run after its first round."""

from alphamed_tutorials.engines.local import resume_local


def main(run: str) -> None:
    """Resume a run folder."""
    resume_local(run)
