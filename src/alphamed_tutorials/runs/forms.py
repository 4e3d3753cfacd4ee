"""The forms a trained model is written in."""

import inspect
import io
import re
import sysconfig
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.utils._pytree import tree_map

from .calls import Call, ExportError
from .exportable import Exportable


def write_torchscript(exportable: Exportable, file: Path) -> str:
    """Write a model as TorchScript, compiled from its code, so that control flow stays.

    A model that is no `Predictor` was not written to be compiled: where that fails, it is traced.

    Returns:
        What a reader should know of the file; nothing where it was compiled.

    Raises:
        ExportError: Neither can be done.
    """
    try:
        _save(torch.jit.script(exportable.model), file)
        return ""
    except Exception as error:
        if exportable.is_predictor:
            raise ExportError(
                f"the model cannot be written as TorchScript, mend its forward method:\n{error}"
            ) from error
        script_error = error
    try:
        return f"traced, because compiling failed ({in_short(script_error)}){_trace(exportable, file)}"
    except Exception as error:
        raise ExportError(
            "the model cannot be written as TorchScript, mend its forward method. Compiling it: "
            f"{in_short(script_error)}\nTracing it: {in_short(error)}"
        ) from error


def predict_torchscript(file: Path, calls: Sequence[Call]) -> list[Any]:
    """Return what a TorchScript file answers in this process."""
    program = torch.jit.load(file)
    return [call.of(program) for call in calls]


def _trace(exportable: Exportable, file: Path) -> str:
    """Write what the model did in the first call; return what may not hold for other calls."""
    call = exportable.calls[0]
    by_name = inspect.signature(exportable.model.forward).bind(*call.args, **call.kwargs).arguments
    given = {"example_kwarg_inputs": by_name} if call.kwargs else {"example_inputs": call.args}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        traced = torch.jit.trace(exportable.model, **given, strict=False, check_trace=False)
    _save(traced, file)
    fixed = [each for each in caught if issubclass(each.category, torch.jit.TracerWarning)]
    alone = "" if len(exportable.calls) > 1 else ", and there was no second call to try it on"
    if not fixed:
        return alone
    return f"; what {fixed[0].filename}, line {fixed[0].lineno} decides is fixed as for the first batch{alone}"


def _save(program: torch.jit.ScriptModule, file: Path) -> None:
    """Write TorchScript by way of memory: where torch itself writes a file, a full disk ends the process."""
    file.write_bytes(program.save_to_buffer())


def write_torch_export(exportable: Exportable, file: Path) -> str:
    """Write a model by `torch.export`, for batches of any size if it has more than one call to show it."""
    call = exportable.calls[0]
    # from torch 2.6 on a size finds its own limits, such as the longest text that a model knows positions for
    dim = getattr(torch.export.Dim, "DYNAMIC", None)
    shapes = _dynamic_shapes(exportable, torch.export.Dim if dim is None else lambda name: dim)
    program = torch.export.export(exportable.model, call.args, call.kwargs, dynamic_shapes=shapes, strict=False)
    _leave_out_places(program)
    archive = io.BytesIO()
    torch.export.save(program, archive)
    file.write_bytes(archive.getvalue())
    return ""


def _leave_out_places(program: torch.export.ExportedProgram) -> None:
    """Take out of a program where each step stands in the code: it names folders of the reader's machine."""
    graphs = [module.graph for module in program.graph_module.modules() if isinstance(module, torch.fx.GraphModule)]
    for node in [node for graph in graphs for node in graph.nodes]:
        node.meta.pop("stack_trace", None)


def _dynamic_shapes(exportable: Exportable, dim: Callable[[str], Any]) -> dict[str, Any] | None:
    """Return which sizes of which arguments may vary; None if all calls are of one shape."""
    call = exportable.calls[0]
    if all(each.shapes == call.shapes for each in exportable.calls):
        return None
    sizes = {number: dim(name) for number, name in exportable.sizes.items()}

    def of(leaf: Any) -> dict[int, Any] | None:
        if not isinstance(leaf, torch.Tensor) or not leaf.ndim:
            return None
        return sizes if exportable.takes_pictures_one_by_one or len(leaf) == call.batch_size else None

    arguments = inspect.signature(exportable.model.forward).bind(*call.args, **call.kwargs).arguments
    return {name: tree_map(of, value) for name, value in arguments.items()}


def write_onnx(exportable: Exportable, file: Path) -> str:
    """Write a model as ONNX, for batches of any size (`Predictor.axes` names more that varies), or for single pictures."""
    call = exportable.calls[0]
    options: dict[str, Any] = {"input_names": ["inputs"]} if exportable.is_predictor else {}
    knows_newer = "dynamo" in inspect.signature(torch.onnx.export).parameters  # torch 2.5
    if (
        exportable.takes_pictures_one_by_one or not knows_newer
    ):  # detectors: their number of answers depends on the data
        options |= {"opset_version": 17, "dynamic_axes": {"inputs": exportable.sizes}}
        options |= {"dynamo": False} if knows_newer else {}
    else:
        options |= {
            "dynamo": True,
            "dynamic_shapes": _dynamic_shapes(exportable, torch.export.Dim),
            "external_data": False,
        }
        options |= {"output_names": ["outputs"]} if exportable.is_predictor else {}
        options |= {"kwargs": call.kwargs} if call.kwargs else {}
    torch.onnx.export(exportable.model, call.args, file, verbose=False, **options)
    _leave_out_notes(file)
    return ""


def _leave_out_notes(file: Path) -> None:
    """Take out of an ONNX file what the exporter notes for debugging: it names folders of the reader's machine."""
    import onnx_ir
    from onnx_ir.passes.common import ClearMetadataAndDocStringPass

    model = onnx_ir.load(file)
    ClearMetadataAndDocStringPass()(model)
    onnx_ir.save(model, file)


def predict_onnx(file: Path, calls: Sequence[Call]) -> list[list[torch.Tensor]]:
    """Return what an ONNX file answers: to each call its tensors in a row."""
    import onnxruntime

    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]
    answers = []
    for call in calls:
        given = dict(zip(names, (tensor.numpy() for tensor in call.tensors), strict=True))
        answers.append([torch.from_numpy(output) for output in session.run(None, given)])
    return answers


def in_short(error: BaseException) -> str:
    """Return an exporter's long error in one line, with the line of the reader's code that its text names."""
    text = str(error).strip()
    reason = error.__cause__ or error  # ONNX's exporter tells first how it can be reported
    outside = (sysconfig.get_path("stdlib"), str(Path(__file__).parent), "<")
    places = [
        f"{file}, line {line}: "
        for file, line in re.findall(r'File "([^"]+)", line (\d+)', text)
        if not file.startswith(outside) and not {"site-packages", "dist-packages"} & set(Path(file).parts)
    ]
    first_line = (str(reason).strip() or "no reason given").splitlines()[0].rstrip(":")
    return f"{places[-1] if places else ''}{type(reason).__name__}: {first_line}"
