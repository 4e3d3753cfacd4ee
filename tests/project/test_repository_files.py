"""What stands round the project, for contributors and for the places it is published at, fits the project."""

import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
TEXTS = [*ROOT.glob("*.md"), *(ROOT / ".github").glob("*.md")]
FORMS = [file for file in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml") if file.name != "config.yml"]
WORKFLOWS = list((ROOT / ".github" / "workflows").glob("*.yml"))
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
TARGETS = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))


def read(file: Path) -> str:
    return file.read_text("utf-8")


@pytest.mark.parametrize("file", TEXTS, ids=lambda file: file.name)
def test_every_link_leads_to_a_file_and_to_a_section_that_is_there(file):
    for target in re.findall(r"\]\((?!\w+:)([^()\s]+)\)", read(file)):
        path, _, anchor = target.partition("#")
        assert (file.parent / path).exists(), target
        assert not anchor or f"#{anchor} }}" in read(file.parent / path), target


@pytest.mark.parametrize("file", [*TEXTS, *WORKFLOWS, ROOT / "Containerfile"], ids=lambda file: file.name)
def test_every_target_that_is_named_is_one_of_the_readme(file):
    named = re.findall(r"(?:`|^|run: |RUN )make ([a-z][a-z-]*)", read(file), re.MULTILINE)
    assert set(named) <= TARGETS
    if file in WORKFLOWS:
        assert all(f"`make {target}`" in read(ROOT / "README.md") for target in named)


def test_the_lanes_of_the_workflow_are_targets():
    jobs = yaml.safe_load(read(ROOT / ".github" / "workflows" / "checks.yml"))["jobs"]
    assert set(jobs["tests"]["strategy"]["matrix"]["lane"]) <= TARGETS


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_a_workflow_may_only_read_unless_a_job_says_why(file):
    workflow = yaml.safe_load(read(file))
    assert workflow["permissions"] == {"contents": "read"}
    more = {name for name, job in workflow["jobs"].items() if job.get("permissions")}
    assert more == ({"release"} if file.stem == "release" else set())
    assert all(job["timeout-minutes"] <= 180 for job in workflow["jobs"].values())


def test_every_workflow_that_builds_the_site_says_where_code_and_site_are():
    jobs = [job for file in WORKFLOWS for job in yaml.safe_load(read(file))["jobs"].values()]
    steps = [step for job in jobs for step in job["steps"] if step.get("run", "").startswith("make site")]
    assert [set(step["env"]) for step in steps] == [{"REPOSITORY_URL", "SITE_URL"}] * 2
    settings = read(ROOT / "mkdocs.base.yml")
    assert all(f"!ENV [{name}" in settings for name in steps[0]["env"])


@pytest.mark.parametrize("file", TEXTS, ids=lambda file: file.name)
def test_every_command_that_is_named_exists(file):
    known = json.loads(read(ROOT / "docs" / "options.json"))
    for command in re.findall(r"(?:^|`|/)playground ([a-z][^`\n#]*)", read(file), re.MULTILINE):
        verb, *words = command.split()
        options = {option["name"].split()[0] for option in known[verb]} | {"--json", "--help"}
        assert {word for word in words if word.startswith("--")} <= options, command


@pytest.mark.parametrize("file", FORMS, ids=lambda file: file.name)
def test_a_form_asks_in_both_languages(file):
    form = yaml.safe_load(read(file))
    fields = [part for part in form["body"] if part["type"] != "markdown"]
    assert len({part["id"] for part in fields}) == len(fields) > 0
    assert {part["type"] for part in form["body"]} <= {"markdown", "input", "textarea", "dropdown", "checkboxes"}
    for text in (form["name"], form["description"], *(part["attributes"]["label"] for part in fields)):
        assert re.search("[一-鿿]", text) and re.search("[a-z]{3}", text), text


def test_the_version_is_the_same_everywhere():
    citation = yaml.safe_load(read(ROOT / "CITATION.cff"))
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    assert citation["version"] == VERSION and citation["license"] == "Apache-2.0"
    assert re.findall(r"^## (\S+)", read(ROOT / "CHANGELOG.md"), re.MULTILINE)[0] == VERSION


def test_the_container_s_targets_have_no_rights():
    stages = dict(
        re.findall(r"^FROM \S+ AS (\S+)\n(.*?)(?=^FROM |\Z)", read(ROOT / "Containerfile"), re.MULTILINE | re.DOTALL)
    )
    started = {name: stage for name, stage in stages.items() if "\nCMD" in stage}
    assert started.keys() == {"site", "playground"}
    assert {name: re.findall(r"^USER (\S+)", stage, re.MULTILINE) for name, stage in started.items()} == {
        "site": ["1000"],
        "playground": ["1000"],
    }
