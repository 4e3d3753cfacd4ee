"""The command about errors: explain."""

import os
from enum import StrEnum
from typing import Annotated

import typer

from ..errors import WrongUse
from ..symptoms import find_all, symptom_of, told
from .options import AsJson, example_of_use, output
from .progress import show_table

app = typer.Typer()


class Language(StrEnum):
    """The languages that symptoms are told in."""

    zh = "zh"
    en = "en"


LABELS = {
    Language.zh: {"cause": "原因：", "cure": "办法：", "threads": "别人遇到过："},
    Language.en: {"cause": "Why: ", "cure": "What to do: ", "threads": "Others had it: "},
}


@app.command(epilog=example_of_use("playground explain cannot-pickle"))
def explain(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Which, as an error ends; or words of the error")
    ] = None,
    language: Annotated[
        Language | None, typer.Option(metavar="zh|en", help="Which language", show_default="the terminal's")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say why an error comes and what to do; without a name, list all that can be explained."""
    with output(as_json) as result:
        spoken = language or _language()
        if name is None:
            result["symptoms"] = {each: told(each, spoken)["symptom"] for each in find_all()}
            show_table("playground explain NAME", ("NAME", ""), list(result["symptoms"].items()))
            return
        found = name if name in find_all() else symptom_of(name)
        if found is None:
            raise WrongUse(f"nothing is known of {name!r}: without a name, `playground explain` lists all that is")
        words, threads = told(found, spoken), find_all()[found].get("threads", [])
        result |= {"name": found, **words, "threads": threads}
        print(words["symptom"])
        for part in ("cause", "cure"):
            print(f"{LABELS[spoken][part]}{words[part]}")
        if threads:
            print(f"{LABELS[spoken]['threads']}{' '.join(threads)}")


def _language() -> Language:
    spoken = next(filter(None, map(os.environ.get, ("LC_ALL", "LC_MESSAGES", "LANG"))), "")
    return Language.zh if spoken.startswith("zh") else Language.en
