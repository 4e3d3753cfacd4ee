"""TensorBoard's files of a node: open only while something is written, so that a process may have many nodes."""

import contextlib
import io
import os
import socket
import time
from itertools import count
from pathlib import Path
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.summary.writer.record_writer import RecordWriter
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.writer import FileWriter

from ..runs.writing import append_whole

MANY = 100  # events that wait to be written
_numbers = count()
_shared: dict[int, list[float]] = {}


class EventFile:
    """Take the place of TensorBoard's `EventFileWriter`, which has a file open and a thread running at all times.

    Args:
        log_dir: The folder to write to.
    """

    def __init__(self, log_dir: str):
        self._log_dir = log_dir
        name = f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}.{next(_numbers)}"
        self._file = Path(log_dir, name)
        self._waiting = [Event(wall_time=time.time(), file_version="brain.Event:2")]

    def get_logdir(self) -> str:
        """Return the folder."""
        return self._log_dir

    def add_event(self, event: Event) -> None:
        """Add an event."""
        self._waiting.append(event)
        if len(self._waiting) >= MANY:
            self.flush()

    def flush(self) -> None:
        """Write what waits, whole or not at all: a full disk is told where results are lost."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        data = io.BytesIO()
        for event in waiting:
            RecordWriter(data).write(event.SerializeToString())
        with contextlib.suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            append_whole(self._file, data.getvalue())

    close = flush


class _OpenWhileWriting(FileWriter):
    def __init__(self, log_dir: str):
        self.event_writer = EventFile(log_dir)


class RecordingWriter(SummaryWriter):
    """A TensorBoard writer that also remembers its numbers; pictures, texts and the like are in its file only."""

    def __init__(self, log_dir: str):
        super().__init__(log_dir=log_dir)
        self.scalars: list[tuple[str, float]] = []
        self.default_bins = _shared.setdefault(len(self.default_bins), self.default_bins)  # 50 kB a writer otherwise

    def _get_file_writer(self):
        if self.file_writer is None:
            self.file_writer = _OpenWhileWriting(self.log_dir)
            self.all_writers = {self.log_dir: self.file_writer}
        return self.file_writer

    def add_scalar(self, tag, scalar_value, *args, **kwargs):
        super().add_scalar(tag, scalar_value, *args, **kwargs)
        self.scalars.append((tag, _number(scalar_value)))

    def add_scalars(self, main_tag, tag_scalar_dict, *args, **kwargs):
        super().add_scalars(main_tag, tag_scalar_dict, *args, **kwargs)
        self.scalars += [(f"{main_tag}/{tag}", _number(value)) for tag, value in tag_scalar_dict.items()]

    def add_hparams(self, hparam_dict, metric_dict, *args, **kwargs):
        super().add_hparams(hparam_dict, metric_dict, *args, **kwargs)
        self.scalars += [(tag, _number(value)) for tag, value in metric_dict.items()]


def _number(value: Any) -> float:
    """Return what TensorBoard takes for a scalar: a number, or an array or tensor with one in it."""
    return float(value.item() if hasattr(value, "item") else value)
