"""Record the options of every `playground` command: the site's tables are drawn from them, where typer is not installed.

python tools/record_options.py
"""

import json
from pathlib import Path

import typer

from alphamed_tutorials.command import app
from pages import ROOT

FILE = ROOT / "docs" / "options.json"
EVERYWHERE = {"--help", "--json"}  # said once for all commands


def every_command() -> dict:
    """Return the commands by name; those of a group, which is there too, as `task create`."""
    found = {}
    for name, command in typer.main.get_command(app).commands.items():
        found |= {name: command, **{f"{name} {part}": each for part, each in getattr(command, "commands", {}).items()}}
    return found


def read_options() -> dict[str, list[dict[str, str]]]:
    """Return each command's options: `name` with its value, `help`, and `default` or `required`."""
    return {
        name: [_option(each) for each in command.params if _is_shown(each)] for name, command in every_command().items()
    }


def _is_shown(parameter) -> bool:
    return parameter.param_type_name == "option" and parameter.opts[0] not in EVERYWHERE


def _option(option) -> dict[str, str]:
    value = "" if option.is_flag else f" {option.metavar}"
    found = {"name": option.opts[0] + value, "help": option.help}
    if option.required:
        return {**found, "required": "yes"}
    default = option.show_default if isinstance(option.show_default, str) else _as_typed(option.default)
    return {**found, "default": default} if default else found


def _as_typed(default) -> str:
    return str(default) if isinstance(default, str | int | Path) and not isinstance(default, bool) else ""


if __name__ == "__main__":
    FILE.write_text(json.dumps(read_options(), indent=1) + "\n", encoding="utf-8")
