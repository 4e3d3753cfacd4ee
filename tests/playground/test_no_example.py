"""The playground serves any task: nothing in it knows a particular example."""

import ast
from pathlib import Path

import alphamed_tutorials

PACKAGE = Path(alphamed_tutorials.__file__).parent
EXAMPLES = {file.parent.name for file in PACKAGE.glob("examples/*/example.toml")}
DEMO = PACKAGE / "playground" / "page" / "new_task.py"  # its form is filled in with one of them


def named(node: ast.AST) -> set[str]:
    """Return what a node imports or says of our examples."""
    if isinstance(node, ast.Import):
        return {part for each in node.names for part in each.name.split(".")} & {"examples", *EXAMPLES}
    if isinstance(node, ast.ImportFrom):
        parts = {*(node.module or "").split("."), *(each.name for each in node.names)}
        return parts & {"examples", *EXAMPLES}
    return {node.value} & EXAMPLES if isinstance(node, ast.Constant) and isinstance(node.value, str) else set()


def test_the_playground_imports_and_names_no_example():
    assert len(EXAMPLES) >= 5
    files = sorted(set((PACKAGE / "playground").rglob("*.py")) - {DEMO})
    found = [
        f"{file.relative_to(PACKAGE)}, line {node.lineno}: {sorted(names)}"
        for file in files
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if (names := named(node))
    ]
    assert files and not found
