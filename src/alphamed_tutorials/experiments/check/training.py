"""Questions on the training: what is built, the engine against the plain loop, habits of the code, and its results."""

from pathlib import Path
from statistics import fmean

import torch

from ...runs.export import TOLERANCE, largest_difference
from ...runs.folder import Run
from .answers import NotApplicable, Wrong
from .subject import JOBS, Subject


def is_built(subject: Subject) -> None:
    """Build model and optimizer."""
    if subject.built["built"]:
        raise Wrong("\n".join(subject.built["built"]))


def can_be_averaged(subject: Subject) -> None:
    """Look at each entry of the state dict."""
    subject.require("built")
    if subject.built["averaged"]:
        raise Wrong("\n".join(subject.built["averaged"]))


def is_the_plain_loop(subject: Subject) -> None:
    """Compare a run over one owner with the loop written down plainly."""
    plain = subject.plain
    _refuse_difference(subject.alone["tested"][1], torch.load(plain["file"]), "the run's", "the plain loop's")


def does_not_depend_on_order(subject: Subject) -> None:
    """Compare with a run in which the owners take part in another order."""
    if len(subject.owners) < 2:
        raise NotApplicable("there is one data owner only")
    _refuse_difference(subject.federated["tested"][1], subject.reversed["tested"][1], "one order's", "the other's")


def trains_in_training_mode(subject: Subject) -> None:
    """Look at the mode when training goes on after a test."""
    _refuse_fault(subject, "train")


def tests_in_eval_mode(subject: Subject) -> None:
    """Look at the mode in the test."""
    if not subject.plain["tested"]:
        raise NotApplicable("run_test() does not call the model")
    _refuse_fault(subject, "eval")


def clears_gradients(subject: Subject) -> None:
    """Look at the gradients before each step."""
    plain = subject.plain
    if not plain["steps"]:
        raise NotApplicable("no step of an optimizer of torch was seen")
    _refuse_fault(subject, "zero_grad")
    if plain["empty"]:
        raise Wrong("no step had a gradient to go by: they are cleared between backward() and step()")


def writes_metrics(subject: Subject) -> None:
    """Look for what the aggregator logged."""
    names = {row.name for row in Run.open(subject.federated["path"]).rows}
    missing = [name for name in subject.task.facts.metrics if name not in names]
    if not names:
        raise Wrong("nothing was written with self.tb_writer.add_scalar()")
    if missing:
        raise Wrong(f"example.toml names {', '.join(missing)}, and the run wrote only {', '.join(sorted(names))}")


def learns(subject: Subject) -> None:
    """Compare the loss of the last epoch of the plain loop with the first one's."""
    plain = subject.plain
    means = [fmean(losses) for losses in plain["losses"] if losses]
    if len(means) < 2:
        name = next((name for name in plain["metrics"][0] if name.startswith("train/") and "loss" in name), None)
        means = [epoch[name] for epoch in plain["metrics"] if name in epoch]
    if len(means) < 2:
        raise NotApplicable("no loss was seen: backward() was not called, and no train/…loss was written")
    if not means[-1] < means[0]:
        raise Wrong(f"the mean loss of an epoch went from {means[0]:.4g} to {means[-1]:.4g} in {len(means)} epochs")


def resumes_exactly(subject: Subject) -> None:
    """Compare a run that went on after a crash with the one that went through."""
    undisturbed, copy = Path(subject.federated["path"]), subject.federated["copy"]
    if not Path(copy).exists():
        raise NotApplicable("the task ends after one round")
    subject.ask("resume", run=copy)
    one, other = (torch.load(place / "model.pt") for place in (undisturbed, Path(copy)))
    _refuse_difference(one, other, "the undisturbed run's", "the resumed one's")
    if Run.open(undisturbed).rows != Run.open(copy).rows:
        raise Wrong("the metrics of the resumed run differ from the undisturbed one's")


def agrees_as_torchscript(subject: Subject) -> None:
    """Write the model as TorchScript and compare what it predicts where the task is not."""
    run = subject.federated["path"]
    if not subject.task.key:
        raise NotApplicable("the task is defined in this session alone, and a run could not find it again")
    out = subject.folder / "script"
    out.mkdir()
    subject.ask("script", run=run, out=str(out))
    subject.server.ask(JOBS / "predict.py", [out], folder=str(out), num_threads=subject.num_threads)
    difference = largest_difference(*(torch.load(out / f"{name}.pt") for name in ("outputs", "found")))
    if not difference <= TOLERANCE:
        raise Wrong(f"as TorchScript the model predicts something else: outputs differ by {difference:.2g}")


def _refuse_fault(subject: Subject, kind: str) -> None:
    fault = subject.plain["faults"].get(kind)
    if fault:
        raise Wrong(fault)


def _refuse_difference(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor], whose: str, others: str) -> None:
    """Refuse state dicts that are not the same to the last bit."""
    if list(one) != list(other):
        raise Wrong(f"{whose} state dict has other entries than {others}")
    for name, value in one.items():
        if value.shape != other[name].shape or value.dtype != other[name].dtype:
            raise Wrong(f"{name} has another shape or type in {whose} state dict than in {others}")
        if not torch.equal(value, other[name]):
            difference = (value.double() - other[name].double()).abs().max().item()
            raise Wrong(f"{name} differs by up to {difference:.2g} between {whose} result and {others}")
