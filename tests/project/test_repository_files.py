"""What stands round the project, for contributors and for the places it is published at, fits the project."""

import json
import os
import re
import subprocess
import tomllib
from collections.abc import Iterable
from fnmatch import fnmatch
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


def steps(workflow: str, job: str) -> list[str]:
    """Return the commands of a job on GitHub."""
    found = yaml.safe_load(read(ROOT / ".github" / "workflows" / f"{workflow}.yml"))["jobs"][job]
    lanes = found.get("strategy", {}).get("matrix", {}).get("lane", [""])
    runs = [step["run"] for step in found["steps"] if "run" in step]
    return [run.replace("${{ matrix.lane }}", lane) for run in runs for lane in lanes]


def made(commands: Iterable[str]) -> set[str]:
    return set(re.findall(r"^make ([a-z-]+)", "\n".join(commands), re.MULTILINE))


def test_github_makes_what_ci_makes_and_the_other_way_round():
    jobs = [("checks", "lint"), ("checks", "tests"), ("checks", "soak"), ("site", "build")]
    assert made(command for job in jobs for command in steps(*job)) == made([read(ROOT / ".ci" / "run")]) <= TARGETS


def test_the_notes_of_a_release_are_its_own_section(tmp_path):
    (tmp_path / "CHANGELOG.md").write_text("# 1\n\n## 0.10.0 · b\n\nnew\n\n### day\n\n## 0.1.0 · a\n\nold\n", "utf-8")
    (notes,) = [command for command in steps("release", "release") if "CHANGELOG" in command]
    environment = {**os.environ, "GITHUB_REF_NAME": "v0.10.0"}
    subprocess.run(["bash", "-ec", notes], cwd=tmp_path, env=environment, check=True)
    assert (tmp_path / "notes.md").read_text("utf-8").split() == ["new", "###", "day"]


def test_a_release_has_the_wheel_the_sources_and_the_site():
    (release,) = [command for command in steps("release", "release") if command.startswith("gh release")]
    assert {"dist", "site"} <= made(steps("release", "release")) and "dist/* " in release and "site-" in release


def test_what_git_ignores_stays_out_of_containers():
    left_out = read(ROOT / ".dockerignore").split("\n")
    for ignored in read(ROOT / ".gitignore").split():
        place = ignored.strip("/").replace("*", "some")
        place = place if ignored.startswith("/") else f"src/{place}"
        assert any(fnmatch(place, pattern) for pattern in left_out), ignored


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
