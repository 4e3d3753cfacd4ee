"""What the playground says to people, found in its source: every text, with its parts made visible.

A text is a string or f-string that reads like words. What its parts are is followed as far as the source tells it: names
that were assigned such strings, parameters that are given them, functions that return them, either branch of a choice.
"""

import ast
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PART = re.compile("⟦[0-9]+⟧")
WORDS = re.compile(r"(?<![\w`/.{<-])[a-z]{2,}[,:;]? |[ ][a-z]{2,}(?![\w/=.])")
NO_WORDS = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|PRAGMA|CREATE|BEGIN|COMMIT|ROLLBACK|DROP|import|from)\b")
LOGGED = {"debug", "info", "warning", "error", "exception", "push_log"}
TO_NOBODY = {"TypeError", "AssertionError", "compile", "Field", *LOGGED}
DEEPEST = 8  # functions that call each other


class Text(NamedTuple):
    """One text as it may be said, where it is written, and whether it is all that an error says."""

    file: Path
    line: int
    said: str
    is_whole: bool


class Reader:
    """Reads the source of some modules together."""

    def __init__(self, files: list[Path]) -> None:
        self.trees = {file: ast.parse(file.read_text("utf-8")) for file in files}
        self.parents: dict[ast.AST, ast.AST] = {}
        self.functions: dict[str, list[ast.FunctionDef]] = {}
        self.calls: dict[str, list[ast.Call]] = {}
        self.tables: dict[str, ast.Dict] = {}
        self.words = {
            (tree, statement.targets[0].id): statement.value
            for tree in self.trees.values()
            for statement in tree.body
            if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name)
            if isinstance(statement.value, ast.Constant)
        }
        self.is_part: set[ast.AST] = set()  # of another text, with which it is found
        self.numbers = itertools.count()
        for node in itertools.chain.from_iterable(map(ast.walk, self.trees.values())):
            self.parents.update(dict.fromkeys(ast.iter_child_nodes(node), node))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                self.functions.setdefault(node.name, []).append(node)
            elif isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Dict):
                self.tables[_name(node.targets[0] if isinstance(node, ast.Assign) else node.target)] = node.value
            elif isinstance(node, ast.Call):
                self.calls.setdefault(_name(node.func), []).append(node)

    def texts(self) -> Iterator[Text]:
        """Yield all texts."""
        found = {
            node: (file, self.renderings(node))
            for file, tree in self.trees.items()
            for node in ast.walk(tree)
            if self._is_whole(node)
        }
        for node, (file, renderings) in found.items():
            is_raised = self._is_raised(node)
            is_said = is_raised or any(map(_is_in_words, renderings))
            if is_said and (node not in self.is_part or self._is_returned(node)):
                yield from (Text(file, node.lineno, said, is_raised) for said in dict.fromkeys(renderings))

    def renderings(self, node: ast.AST | None, depth: int = 0) -> list[str]:
        """Return all that an expression may be, as far as it is written in the source."""
        match node:
            case ast.Constant(value=str(text)):
                return [text]
            case ast.JoinedStr(values=parts):
                return ["".join(each) for each in itertools.product(*(self.renderings(part, depth) for part in parts))]
            case ast.FormattedValue(value=value):
                return self._parts(value, depth + 1)
            case ast.BinOp(left=left, op=ast.Add(), right=right) if isinstance(right, ast.JoinedStr | ast.Constant):
                return [one + other for one in self.renderings(left, depth) for other in self.renderings(right, depth)]
        return self._parts(node, depth + 1)

    def _parts(self, node: ast.AST | None, depth: int) -> list[str]:
        """Return what a part may be: a text of ours, or whatever it is."""
        sources = list(self._sources(node)) if depth <= DEEPEST else []
        words: list[str] = []
        for source in sources:
            said = self.renderings(source, depth)
            if isinstance(source, ast.Constant | ast.JoinedStr | ast.IfExp) or any(map(_is_in_words, said)):
                words += said
                self.is_part.add(source)
        return list(dict.fromkeys(words)) or [f"⟦{next(self.numbers)}⟧"]

    def _sources(self, node: ast.AST | None) -> Iterator[ast.AST]:
        """Yield what an expression takes its value from."""
        match node:
            case ast.IfExp(body=body, orelse=otherwise):
                yield from (body, otherwise)
            case ast.BoolOp(values=values):
                yield from values
            case ast.JoinedStr() | ast.Constant(value=str()):
                yield node
            case ast.Call(func=ast.Attribute(value=ast.Dict(values=values), attr="get"), args=arguments):
                yield from (*values, *arguments[1:])
            case ast.Subscript(value=ast.Dict(values=values)):
                yield from values
            case ast.Call(func=ast.Subscript(value=ast.Name(id=name))) if name in self.tables:
                for value in self.tables[name].values:
                    yield from [value.body] if isinstance(value, ast.Lambda) else self._returned(_name(value), node)
            case ast.Call(func=called):
                yield from self._returned(_name(called), node)
            case ast.Name(id=name):
                yield from self._values(name, node)

    def _returned(self, name: str, node: ast.AST) -> Iterator[ast.AST]:
        """Yield what a function returns, if it is known which one is called."""
        found = self.functions.get(name, [])
        own = [each for each in found if self._module(each) is self._module(node)]
        if len(own or found) == 1:
            (function,) = own or found
            yield from (each.value for each in ast.walk(function) if isinstance(each, ast.Return) and each.value)

    def _values(self, name: str, node: ast.AST) -> Iterator[ast.AST]:
        """Yield what a name is given in its function, or by those who call that."""
        function = self._function(node)
        if (self._module(node), name) in self.words:
            yield self.words[self._module(node), name]
        if function is None:
            return
        for each in ast.walk(function):
            match each:
                case ast.Assign(targets=[ast.Name(id=target)], value=value) if target == name:
                    yield value
                case ast.NamedExpr(target=ast.Name(id=target), value=value) if target == name:
                    yield value
                case ast.comprehension(
                    target=ast.Tuple(elts=[_, ast.Name(id=target)]),
                    iter=ast.Call(func=ast.Attribute(value=ast.Name(id=given))),
                ) if target == name and given in self.tables:
                    yield from self.tables[given].values
        names = [argument.arg for argument in (*function.args.args, *function.args.kwonlyargs)]
        if name in names:
            called, number = function.name, names.index(name) - (names[:1] == ["self"])
            if called == "__init__" and isinstance(owner := self.parents[function], ast.ClassDef):
                called = owner.name
            for call in self.calls.get(called, []):
                yield from call.args[number : number + 1]
                yield from (keyword.value for keyword in call.keywords if keyword.arg == name)

    def _module(self, node: ast.AST) -> ast.AST:
        while node in self.parents:
            node = self.parents[node]
        return node

    def _function(self, node: ast.AST) -> ast.FunctionDef | None:
        while not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if node not in self.parents:
                return None
            node = self.parents[node]
        return node

    def _is_whole(self, node: ast.AST) -> bool:
        """Return whether a node is a text by itself, and one that anybody is told."""
        if not (isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))):
            return False
        parent = self.parents[node]
        while isinstance(parent, ast.keyword | ast.IfExp | ast.Starred):
            node, parent = parent, self.parents[parent]
        match parent:
            case ast.JoinedStr() | ast.FormattedValue():
                return False
            case ast.Expr() | ast.Compare() | ast.Subscript() | ast.Attribute():
                return False
            case ast.Call(func=func):
                return _name(func) not in TO_NOBODY
            case ast.Dict(keys=keys):
                return node not in keys
        return True

    def _is_returned(self, node: ast.AST) -> bool:
        """Return whether a text is returned to somebody who does not put it into another."""
        parent = self.parents[node]
        while isinstance(parent, ast.IfExp | ast.Tuple):
            parent = self.parents[parent]
        calls = self.calls.get(self._function(node).name, []) if isinstance(parent, ast.Return) else []
        return any(not isinstance(self.parents[call], ast.FormattedValue | ast.Assign | ast.BoolOp) for call in calls)

    def _is_raised(self, node: ast.AST) -> bool:
        call = self.parents[node]
        return isinstance(call, ast.Call) and isinstance(self.parents[call], ast.Raise)


def _name(called: ast.AST) -> str:
    return getattr(called, "id", "") or getattr(called, "attr", "")


def _is_in_words(text: str) -> bool:
    return bool(WORDS.search(PART.sub("⟦⟧", text))) and not NO_WORDS.match(text)
