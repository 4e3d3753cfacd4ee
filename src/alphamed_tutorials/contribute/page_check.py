"""Ask of an example with its pages what CI asks, and say how to mend what is missing."""

import itertools
import json
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from ..errors import TutorialError, WrongUse
from ..experiments.check.answers import FAILED, OK, Answer, Wrong
from ..facts import Experiment, Facts, read_facts
from ..symptoms import find_all
from .running import run_tests, selection
from .skeleton import CONTRIBUTION, HOME, LANGUAGES, PAGES, TESTS

TODO = re.compile(r"\bTODO\b")
SHARED = ("NOTICE", "docs/zh/learning-path.md", "docs/en/learning-path.md")  # files that list every example
HAZARD = re.compile(r"`(test_\w+)`")
SYMPTOM = re.compile(r"symptoms\.md#([\w-]+)")
PRETRAINED = re.compile(r"(?i)\bpretrained\b|\.pth\b")
LICENCE = {"zh": "**许可证**", "en": "**Licence**"}
PLACES = 3  # that a row names
GATE = ("tests/docs/test_doc_gate.py", "tests/docs/test_comments.py", "tests/docs/test_learning_path.py")
OUTPUTS = tuple(
    f"tests/docs/test_outputs.py::{test}"
    for test in (
        "test_every_block_that_runs_is_recorded_as_it_is_now",
        "test_nothing_is_kept_that_no_page_shows",
        "test_no_path_of_the_machine_it_was_recorded_on_is_shown",
    )
)
EVERY_EXAMPLE = ("tests/examples/test_every_example.py",)
EVERY_DATA = (
    "tests/examples/test_every_data.py",
    "tests/examples/test_every_mutation.py",
    "tests/examples/test_upload.py",
)


@dataclass(frozen=True)
class Example:
    """An example of a repository, with what belongs to it.

    Attributes:
        root: The repository.
        name: The example's name.
        tell: Called with how far a question's tests are.
    """

    root: Path
    name: str
    tell: Callable[[str], None] = field(default=lambda progress: None)

    @cached_property
    def facts(self) -> Facts:
        """What its `example.toml` says."""
        return read_facts(self.root / HOME / self.name / "example.toml")

    def page(self, language: str, ending: str = "") -> Path:
        """Return one of its pages."""
        return self.root / "docs" / language / "guides" / f"{self.name}{ending}.md"

    @property
    def files(self) -> list[Path]:
        """All its text files."""
        folders = (self.root / HOME / self.name, self.root / "snippets" / self.name)
        found = [file for folder in folders for kind in ("*.py", "*.toml") for file in sorted(folder.rglob(kind))]
        found += [self.page(language, ending) for language in LANGUAGES for ending in PAGES]
        found += [self.root / test.format(self.name) for test in (*TESTS, CONTRIBUTION)]
        return [file for file in found if file.is_file()]

    @property
    def tests(self) -> dict[str, str]:
        """What its files of tests hold, by their place."""
        places = [test.format(self.name) for test in TESTS]
        return {place: (self.root / place).read_text("utf-8") for place in places if (self.root / place).is_file()}

    def run(self, files: tuple[str, ...], also: str = "", marker: str = "") -> str:
        """Run its tests in some files of tests."""
        if missing := [file for file in files if not (self.root / file.partition("::")[0]).is_file()]:
            raise Wrong(f"{missing[0]} is missing")
        return run_tests(
            self.root, files, " or ".join((selection(self.name), *filter(None, [also]))), marker, self.tell
        )


@dataclass(frozen=True)
class Question:
    """A row of the table.

    Attributes:
        id: Its short name.
        text: The question.
        ask: Returns what was found.
        mend: What to do when the answer is no.
    """

    id: str
    text: str
    ask: Callable[[Example], str]
    mend: str


def sections(example: Example) -> str:
    """Run the gate over its pages, and what holds for the code they show."""
    return example.run(GATE, also="test_project or test_every_comment_shown")


def outputs(example: Example) -> str:
    """Compare its pages' blocks with the recordings."""
    return example.run(OUTPUTS)


def page(example: Example) -> str:
    """Run its pages, and compare what they print with what was recorded."""
    return example.run(("tests/docs/test_pages.py",), marker="pages")


def snippets(example: Example) -> str:
    """Run its snippets, each by itself."""
    return example.run(("tests/docs/test_snippets.py",), marker="pages")


def results(example: Example) -> str:
    """Compare what was recorded with the experiments of its facts, and look for them on its pages."""
    file = example.root / "docs" / "results" / f"{example.name}.json"
    if not file.is_file():
        raise Wrong(f"{file.relative_to(example.root)} is missing")
    record, facts = json.loads(file.read_text("utf-8")), example.facts
    if record["example"] != example.name:
        raise Wrong(f"{file.name} was recorded for {record['example']}")
    names = [metric["name"] for metric in record["metrics"]]
    if record["metric"] != facts.metrics[0] or not set(facts.metrics) <= set(names):
        raise Wrong(f"{file.name} has the metrics {', '.join(names)}, example.toml {', '.join(facts.metrics)}")
    recorded = {one["name"]: one for one in record["experiments"]}
    for plan in facts.experiment:
        if plan.name not in recorded:
            raise Wrong(f"the experiment {plan.name} of example.toml is not in {file.name}")
        if other := _other_conditions(plan, recorded[plan.name]):
            raise Wrong(f"{plan.name} was recorded with another {other}")
        for language in LANGUAGES:
            if not re.search(rf"\{{\{{ *results-[\w-]+: *{example.name}/{plan.name} *\}}\}}", _text(example, language)):
                raise Wrong(f"{plan.name} is shown nowhere on {example.page(language).relative_to(example.root)}")
    return f"{len(recorded)} experiments, recorded {record['recorded']}"


def hazards(example: Example) -> str:
    """Run the tests of hazards, those of its own and those of every example; its pages have to name its own."""
    named = {language: _named_tests(_text(example, language)) for language in LANGUAGES}
    if not named["zh"] or named["zh"] != named["en"]:
        one_only = ", ".join(sorted(named["zh"] ^ named["en"])) or "none at all"
        raise Wrong(f"the two languages of {example.name}.md do not name the same tests of hazards: {one_only}")
    if not any(f"def {test}(" in text for text in example.tests.values() for test in named["zh"]):
        raise Wrong(f"tests/examples/test_{example.name}.py has no test that the page names")
    return example.run((*EVERY_EXAMPLE, *example.tests))


def _named_tests(text: str) -> set[str]:
    """Return the tests that a page names, and those of the symptoms that it links to."""
    linked = [find_all()[name].get("tests", []) for name in SYMPTOM.findall(text) if name in find_all()]
    return {*HAZARD.findall(text), *itertools.chain.from_iterable(linked)}


def damages(example: Example) -> str:
    """Run the tests of its data, which have to damage them."""
    refusing = [place for place, text in example.tests.items() if "assert_refused(" in text]
    if not refusing:
        raise Wrong(f"no test of {example.name} damages its data: nothing calls assert_refused")
    return example.run((*EVERY_DATA, *refusing))


def todo(example: Example) -> str:
    """Look for what is still to be written."""
    found = [
        f"{file.relative_to(example.root)} line {number}"
        for file in example.files
        for number, line in enumerate(file.read_text("utf-8").split("\n"), start=1)
        if TODO.search(line)
    ]
    link = re.compile(rf"\[TODO\]\(guides/{example.name}-program\.md")
    for shared in SHARED[1:]:
        links = link.findall((example.root / shared).read_text("utf-8"))
        found += [f"{shared}: the column of {example.name}" for _ in links]
    if found:
        raise Wrong(f"{len(found)} are left: {', '.join(found[:PLACES])}{', …' if found[PLACES:] else ''}")
    return ""


def licence(example: Example) -> str:
    """Look for the licences where they have to be named."""
    data, notice = example.facts.data, (example.root / "NOTICE").read_text("utf-8")
    for key in ("source", "licence", "embedded"):
        if not getattr(data, key) or TODO.search(getattr(data, key)):
            raise Wrong(f"example.toml does not say the {key} of the data")
    lines = [line.strip() for line in notice.split("\n")]
    entry = f"{example.name:19} {data.name}"
    if entry not in lines or lines[lines.index(entry) + 1 :][:2] != [data.source, data.licence]:
        raise Wrong("NOTICE does not list name, source and licence of the data as example.toml does")
    for title in ("Embedded data", *(["Weights"] if _uses_weights(example) else [])):
        section = notice.partition(f"\n{title} (")[2].partition("\n\n")[0]
        if not re.search(rf"\b{example.name}\b", section):
            raise Wrong(f"NOTICE does not name {example.name} under {title}")
    for language, word in LICENCE.items():
        for ending in PAGES:
            said = re.search(rf"{re.escape(word)}[:：](.*)", _text(example, language, ending))
            if not said or TODO.search(said[1]):
                place = example.page(language, ending).relative_to(example.root)
                raise Wrong(f"{place} does not say the licence at its beginning")
    return data.licence


def task(example: Example) -> str:
    """Ask of its task what `playground check` asks."""
    from ..catalogue import find
    from ..experiments.check import check

    answers = check(find(example.name), on_question=lambda question: example.tell(question))
    failed = [answer for answer in answers if answer.answer == FAILED]
    if failed:
        raise Wrong(f"{failed[0].question}: {failed[0].reason}")
    return f"{sum(answer.answer == OK for answer in answers)} of {len(answers)} questions ok"


QUESTIONS = (
    Question(
        "sections",
        "Are all sections there in both languages, as the rules want them?",
        sections,
        "do what it says; the rules are in tests/docs/gate.py",
    ),
    Question(
        "snippets",
        "Does each snippet run by itself?",
        snippets,
        "run the file in an empty folder: python …/snippets/NAME/FILE.py",
    ),
    Question(
        "outputs",
        "Is it recorded what each block prints?",
        outputs,
        'make outputs PAGES="guides/NAME guides/NAME-program"',
    ),
    Question(
        "page",
        "Do the pages run from top to bottom, and print what was recorded?",
        page,
        'mend the code; if the new output is right: make outputs PAGES="guides/NAME guides/NAME-program"',
    ),
    Question(
        "results",
        "Are the results of all experiments recorded and shown?",
        results,
        "playground record NAME, with --source where the real data are; then {{ results-table: NAME/EXPERIMENT }} on both pages",
    ),
    Question(
        "hazards",
        "Does each hazard have its test, and do they pass?",
        hazards,
        "write them in tests/examples/test_NAME.py, and name them below the table of both pages",
    ),
    Question(
        "damages",
        "Does DatasetVerify refuse the damages of these data?",
        damages,
        "write them in tests/examples/test_NAME_data.py, as the other examples do",
    ),
    Question("todo", "Is no TODO left?", todo, "write what the mark asks for, and remove it"),
    Question(
        "licence",
        "Are the licences of data and weights named?",
        licence,
        "say them in example.toml, in NOTICE and at the beginning of the pages",
    ),
    Question("task", "Will the task run on AlphaMed?", task, "playground check NAME says more"),
)
ALL = [question.id for question in QUESTIONS]


def check_page(
    root: Path,
    name: str,
    on_question: Callable[[str], None] = lambda question: None,
    only: Collection[str] = ALL,
) -> list[Answer]:
    """Ask of an example and its pages what CI asks.

    Args:
        root: The repository.
        name: The example's name.
        on_question: Called with each question before it is asked, and with how far it is.
        only: The questions to ask, by their ids.

    Returns:
        An answer for each question.

    Raises:
        WrongUse: There is no such example.
    """
    if not (root / HOME / name / "example.toml").is_file():
        raise WrongUse(f"{name} is no example of this repository: {HOME / name}/example.toml is missing")
    return [_asked(question, root, name, on_question) for question in QUESTIONS if question.id in only]


def _asked(question: Question, root: Path, name: str, on_question: Callable[[str], None]) -> Answer:
    on_question(question.text)
    try:
        found = question.ask(Example(root, name, lambda progress: on_question(f"{question.text} {progress}")))
    except (Wrong, TutorialError, OSError, ValueError, KeyError) as error:  # a file is missing, or says nothing
        why = str(error) if isinstance(error, Wrong | TutorialError) else f"{type(error).__name__}: {error}"
        return Answer(question.id, question.text, FAILED, why, question.mend.replace("NAME", name))
    return Answer(question.id, question.text, OK, found)


def _text(example: Example, language: str, ending: str = "") -> str:
    file = example.page(language, ending)
    if not file.is_file():
        raise Wrong(f"{file.relative_to(example.root)} is missing")
    return file.read_text("utf-8")


def _other_conditions(plan: Experiment, recorded: dict[str, Any]) -> str:
    """Return what an experiment was recorded with that its plan says otherwise, if anything."""
    wanted = {key: getattr(plan, key) for key in ("partition", "nodes", "rounds", "seed")}
    wanted |= {"more_seeds": [*plan.more_seeds], **plan.settings}
    found = {"more_seeds": [], **recorded["settings"], **recorded}
    return ", ".join(f"{key}: {found.get(key)}" for key, value in wanted.items() if found.get(key) != value)


def _uses_weights(example: Example) -> bool:
    return any(PRETRAINED.search(file.read_text("utf-8")) for file in (example.root / HOME / example.name).glob("*.py"))
