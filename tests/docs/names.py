"""What exists: the names that the SDK, this project and PyTorch define, and the options of the command line."""

import ast
import functools
import importlib
import importlib.metadata
import importlib.util
import inspect
import re
import sys
from pathlib import Path

from pages import ROOT

# What these modules and their classes have may be named on a page.
LIBRARIES = (
    "builtins",
    "dataclasses",
    "gzip",
    "json",
    "logging",
    "os",
    "pathlib",
    "random",
    "struct",
    "wave",
    "cloudpickle",
    "numpy",
    "onnxruntime",
    "torch",
    "torch.jit",
    "torch.nn",
    "torch.nn.functional",
    "torch.onnx",
    "torch.optim",
    "torch.optim.lr_scheduler",
    "torch.utils.data",
    "torch.utils.tensorboard",
    "torchvision",
    "torchvision.datasets",
    "torchvision.io",
    "torchvision.models",
    "torchvision.ops",
    "torchvision.transforms",
    "torchvision.transforms.v2",
    "torchaudio",
)

# What the older SDK had, for the table on the AlphaMed page: test_old_sdk.py holds it against the old wheels.
OLD_NAMES = {
    "data_channel_timeout",
    "get_metrics",
    "is_centralized",
    "launch_task",
    "make_model",
    "make_optimizer",
    "make_test_dataloader",
    "make_train_dataloader",
    "max_clients",
    "min_clients",
    "perf_bench_timeout",
    "register_metrics",
}


def defined_names(source: str) -> set[str]:
    """Return the names a Python program defines: classes, functions, parameters, variables and attributes."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                names.add(name)
            case ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                names.add(name)
    return names


def sdk_files() -> list[Path]:
    """Return the SDK's Python files; its own examples define what no user can call."""
    sdk = Path(importlib.util.find_spec("alphafed").submodule_search_locations[0])
    return [path for path in sdk.rglob("*.py") if path.relative_to(sdk).parts[0] not in ("docs", "examples")]


@functools.cache
def _sources() -> tuple[str, ...]:
    files = [*sdk_files(), *(ROOT / "src").rglob("*.py"), *(ROOT / "snippets").rglob("*.py")]
    return tuple(path.read_text("utf-8") for path in files)


@functools.cache
def names_of_tests() -> frozenset[str]:
    """Return the names of the project's tests, which a page names beside the hazards they prove."""
    files = (path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    return frozenset(re.findall(r"^def (test_\w+)", "\n".join(files), re.MULTILINE))


@functools.cache
def callable_names() -> frozenset[str]:
    """Return every name that can be called or used as a class."""
    names = (
        set(sys.stdlib_module_names) | set(importlib.metadata.packages_distributions()) | names_of_tests() | {"self"}
    ) | OLD_NAMES
    names.update(*map(defined_names, _sources()))
    for name in LIBRARIES:
        module = importlib.import_module(name)
        names |= set(dir(module))
        for value in vars(module).values():
            if isinstance(value, type):  # annotations name what only instances have, as a layer's buffers
                names.update(dir(value), *map(inspect.get_annotations, value.__mro__))
    return frozenset(names)


@functools.cache
def all_words() -> frozenset[str]:
    """Return the callable names, every word of the SDK's and the project's source, and the names of our tests."""
    tests = "\n".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    named = re.findall(r"\w+", "\n".join(_sources())) + re.findall(r"def (test_\w+)", tests)
    return callable_names() | frozenset(named)


@functools.cache
def command_options() -> dict[str, frozenset[str]]:
    """Return the commands of `playground` with their options; the command "" stands for `playground` alone."""
    import typer

    from alphamed_tutorials.command import app
    from record_options import every_command

    commands = {"": typer.main.get_command(app)} | every_command()
    return {
        name: frozenset(
            option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)
        )
        | {"--help"}
        for name, command in commands.items()
    }
