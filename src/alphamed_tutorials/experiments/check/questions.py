"""The questions in their order, and how to mend what fails."""

from collections.abc import Callable
from dataclasses import dataclass

from . import submission, training, verification
from .subject import Subject


@dataclass(frozen=True)
class Question:
    """One row of the table.

    Attributes:
        id: Its name in JSON.
        text: The question.
        mend: What to do where the answer is no.
        ask: Returns where the answer is yes, and raises else.
    """

    id: str
    text: str
    mend: str
    ask: Callable[[Subject], None]


QUESTIONS = tuple(
    Question(*row)
    for row in (
        (
            "submit",
            "can be pickled and submitted",
            "make what cannot be pickled in build_model() or build_train_dataloader(), which run on each node",
            submission.is_submitted,
        ),
        (
            "unpickle",
            "can be unpickled elsewhere",
            "import at the top of the file what lies beside it, read no file that submit() does not pack, and name "
            "packages in requirements.txt",
            submission.is_unpickled,
        ),
        (
            "imports",
            "imports only what AlphaMed has",
            "do without, or name the package in requirements.txt beside the code",
            submission.imports_what_is_there,
        ),
        (
            "random",
            "draws no random numbers while made",
            "draw in build_model() after torch.manual_seed(self.seed): __init__ runs on your machine only",
            submission.draws_nothing,
        ),
        (
            "data_dir",
            "scheduler and DatasetVerify read the same folder",
            "give both classes the same data_dir",
            verification.has_same_data_dir,
        ),
        (
            "verify_ends",
            "DatasetVerify ends in time",
            "read less there, and wait for nothing: no download, no input",
            verification.ends_in_time,
        ),
        (
            "verify_accepts",
            "DatasetVerify accepts the data",
            "mend the data that is named, or the check that refuses it",
            verification.accepts,
        ),
        (
            "verify_empty",
            "DatasetVerify refuses an empty folder",
            "return False with the file that is missing",
            verification.refuses_empty,
        ),
        (
            "verify_missing",
            "DatasetVerify refuses a missing file",
            "open every file that training opens, and name the one that is missing",
            verification.refuses_missing,
        ),
        (
            "verify_truncated",
            "DatasetVerify refuses a truncated file",
            "read files to their end, as training does, and name the one that is cut off",
            verification.refuses_truncated,
        ),
        (
            "verify_zeros",
            "DatasetVerify refuses a file of zeros",
            "look at the values that were read, and name the file that holds none",
            verification.refuses_zeros,
        ),
        (
            "verify_html",
            "DatasetVerify refuses a web page",
            "convert what is read as training does, and name the file that cannot be",
            verification.refuses_html,
        ),
        (
            "built",
            "model and optimizer are built",
            "return the model from build_model() and an optimizer of its parameters from build_optimizer()",
            training.is_built,
        ),
        (
            "averaged",
            "every entry of the state dict can be averaged",
            "leave it out, by register_buffer(..., persistent=False) or by state_dict() and load_state_dict() of the "
            "scheduler, or give it a type and memory of its own",
            training.can_be_averaged,
        ),
        (
            "plain_loop",
            "one owner, one epoch is the plain loop",
            "let only train_an_epoch() change the model, and let it and state_dict() not depend on the node or round",
            training.is_the_plain_loop,
        ),
        (
            "order",
            "the order of nodes does not matter",
            "share nothing between nodes: no globals, no attributes of classes, no files outside the node's folder",
            training.does_not_depend_on_order,
        ),
        (
            "train",
            "train() is where it belongs",
            "begin train_an_epoch() with self.model.train()",
            training.trains_in_training_mode,
        ),
        ("eval", "eval() is where it belongs", "begin run_test() with self.model.eval()", training.tests_in_eval_mode),
        (
            "zero_grad",
            "zero_grad() is where it belongs",
            "call self.optimizer.zero_grad() before each backward()",
            training.clears_gradients,
        ),
        (
            "metrics",
            "metrics are written",
            "write them in run_test(): self.tb_writer.add_scalar('test/accuracy', value, self.current_round)",
            training.writes_metrics,
        ),
        (
            "loss",
            "the loss falls",
            "try a smaller or larger learning rate with --set, and look whether inputs and labels belong together",
            training.learns,
        ),
        (
            "resume",
            "resuming is exact",
            "keep what training needs in attributes of the scheduler, not in data sets, samplers or globals",
            training.resumes_exactly,
        ),
        (
            "torchscript",
            "TorchScript agrees",
            "write forward() so that torch.jit.script compiles it: no **kwargs, no branches on types",
            training.agrees_as_torchscript,
        ),
    )
)
