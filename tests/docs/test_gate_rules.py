"""Every rule of the doc gate sees a fault: a gate that cannot fail protects nobody."""

import gate
import names
import pytest

from pages import Page
from record_translations import record

CODE = '''\
"""A program."""

# --8<-- [start:train]
import torch

model = torch.nn.Linear(2, 1)  # (1)!
# --8<-- [end:train]
'''
GOOD = """\
# 训练 { #train }

先读 `model.py`，再调用 `FedAvgScheduler` 的 `train_an_epoch()`、`build_model` 和 `torch.optim.SGD()`。

## `torch.save()`, MNIST, Python API { #pack }

```python title="train.py"
--8<-- "snippets/code.py"
```

1.  一个线性层，
    两行说明。

## 训练循环 { #loop }

=== "命令"

    ```python
    --8<-- "snippets/code.py:train"
    ```

    1. 一个线性层。

1. 这不是注解的说明。

这一步要用到平台。

<!-- not run: 要用到平台 -->
```sh
playground run mnist --rounds 3 | tee log  # --rounds 是轮数
```
"""
INCLUDED = '```python\n--8<-- "snippets/code.py:train"\n```\n'
PARTS = "```sh\nls  # (1)!\n```\n\n1. One\n\n```sh\nls  # (2)!\n```\n\n2. Two\n\n"


def rule_name(value):
    return value.__name__ if callable(value) else ""


def write_project(root, chinese=GOOD, english=GOOD, code=CODE):
    for name, text in {"docs/zh/page.md": chinese, "docs/en/page.md": english, "snippets/code.py": code}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return [Page(root / "docs" / language / "page.md", root) for language in ("zh", "en")]


@pytest.fixture(autouse=True)
def small_command_line(monkeypatch):
    commands = {"": frozenset({"--help"}), "run": frozenset({"--rounds", "--help"})}
    monkeypatch.setattr(names, "command_options", lambda: commands)


@pytest.mark.parametrize("rule", gate.PAGE_RULES, ids=rule_name)
def test_good_page_passes(rule, tmp_path):
    assert list(rule(write_project(tmp_path)[0])) == []


@pytest.mark.parametrize("rule", gate.LANGUAGE_RULES, ids=rule_name)
def test_good_languages_pass(rule, tmp_path):
    assert list(rule(*write_project(tmp_path))) == []


@pytest.mark.parametrize("rule", gate.PROJECT_RULES, ids=rule_name)
def test_good_project_passes(rule, tmp_path):
    assert list(rule(tmp_path, write_project(tmp_path))) == []


@pytest.mark.parametrize(
    "rule, text",
    [
        (gate.annotations_are_explained, f"{PARTS}```sh\nls  # (1)!\nls  # (2)!\n```\n"),
        (gate.listings_are_short, "```sh\n" + "ls\n" * 48 + "```\n"),
        (gate.listings_are_short, "??? note\n\n    === 'A'\n\n        ```sh\n" + "        ls\n" * 49 + "        ```\n"),
    ],
    ids=rule_name,
)
def test_parts_and_what_is_folded_pass(rule, text, tmp_path):
    assert list(rule(write_project(tmp_path, chinese=text)[0])) == []


BAD_PAGES = [
    (gate.python_is_included, "```python\nprint(1)\n```\n", "line 2: Python typed into the page"),
    (gate.python_is_included, "=== 'A'\n\n    ```python\n    --8<-- 'snippets/code.py'\n    x\n    ```\n", "line 5: "),
    (gate.includes_resolve, '--8<-- "snippets/none.py"\n', "'snippets/none.py' could not be found"),
    (gate.includes_resolve, '--8<-- "snippets/code.py:none"\n', "'none' could not be located"),
    (gate.includes_resolve, '--8<-- "snippets/code.py:2:2"\n', "line 1: the include snippets/code.py:2:2 is empty"),
    (gate.includes_resolve, '--8<-- "snippets/code.py:1:1"\n', "counts lines; name a section instead"),
    (gate.includes_resolve, "--8<--\nsnippets/code.py\n--8<--\n", "line 1: use the form"),
    (gate.includes_resolve, "```python\nx = 1\n", "line 1: the code block never ends"),
    (gate.fences_are_known, "```py\nx\n```\n", "line 1: unknown kind of code block `py`"),
    (gate.fences_are_known, "```bash\nx\n```\n", "`bash`"),
    (gate.fences_are_known, "``` { .python }\nx\n```\n", "`{ .python }`"),
    (gate.fences_are_known, "```\nx\n```\n", "``; use one of"),
    (gate.fences_are_known, "~~~python\nx\n~~~\n", "instead of ~~~"),
    (gate.fences_are_known, "```python hl_lines='2'\nx\n```\n", "highlighted line numbers drift"),
    (gate.fences_are_known, "```text\n\n```\n", "the code block is empty"),
    (gate.reasons_are_given, "Words.\n\n<!-- not run: -->\n```sh\nx\n```\n", "line 4: `not run:` gives no reason"),
    (gate.pictures_are_described, "```sh\nplayground metrics --plot a.png\n```\n", "line 1: say what is seen in the"),
    (gate.pictures_are_described, "<!-- draws: 曲线 -->\n```sh\nls\n```\n", "line 2: `draws:` stands above code that"),
    (gate.pictures_are_described, "<!-- draws: x -->\n```sh\nx --plot a.png\n```\n", "line 2: `draws:` is not in the"),
    (gate.annotations_are_explained, INCLUDED, "line 1: annotations [1], but list items [] after"),
    (gate.annotations_are_explained, INCLUDED + "\n1. One\n\n2. Two\n", "annotations [1], but list items [1, 2]"),
    (gate.annotations_are_explained, INCLUDED + "\nWords.\n\n1. One\n", "annotations [1], but list items []"),
    (gate.annotations_are_explained, "```sh\nls  # (2)!\n```\n\n1. One\n", "annotations [2], but list items [1]"),
    (gate.annotations_are_explained, "```sh\nls  # (2)!\n```\n\n2. Two\n", "the annotations [2] do not count from 1"),
    (gate.annotations_are_explained, f"{PARTS}```sh\nls  # (4)!\n```\n", "line 13: annotations [4], but list items []"),
    (gate.listings_are_short, "```sh\n" + "ls\n" * 49 + "```\n", "line 1: 49 lines; show it in parts"),
    (gate.listings_are_short, "???+ note\n    ```sh\n" + "    ls\n" * 49 + "    ```\n", "line 2: 49 lines"),
    (gate.front_matter_is_yaml, "---\ndescription: A program: short\n---\n", "line 1: the front matter is no YAML"),
    (gate.names_exist, "Call `train_one_epoch()`.\n", "line 1: `train_one_epoch()`: the SDK, this project and PyTorch"),
    (gate.names_exist, "Inherit `FedAverageScheduler`.\n", "have no FedAverageScheduler"),
    (gate.names_exist, "Set `merge_epoch`.\n", "have no merge_epoch"),
    (gate.names_exist, "Use `torch.optim.SGDD(lr=0.1)` or `self.tb_writers`.\n", "have no SGDD"),
    (gate.names_exist, "Use `self.tb_writers`.\n", "have no tb_writers"),
    (gate.commands_exist, "Call `playground walk mnist`.\n", "line 1: `playground walk`: there is no such command"),
    (gate.commands_exist, "Call `playground run [--nodes N|M] [--rond R]`.\n", "`playground run` has no option --rond"),
    (gate.commands_exist, "Call `playground --version`.\n", "`playground --version` has no option --version"),
    (gate.commands_exist, "```sh\nls | playground run \\\n  --round=1 | cat --x\n```\n", "`playground run` has no"),
    (gate.commands_exist, "`playground run a --engine playground --rond 1`\n", "`playground run` has no option --rond"),
    (gate.commands_exist, "Call `playground COMMAND --jsn`.\n", "`playground COMMAND` has no option --jsn"),
    (gate.commands_exist, "```sh\nplayground walk 'two\nlines'\n```\n", "`playground walk`: there is no such command"),
    (gate.headings_have_anchors, "# Title\n\n## Part\n", "the heading 'Part' needs an anchor"),
    (gate.headings_have_anchors, "# T\n\n## A { #a }\n\n### B {: #a }\n", "the anchor #a is there twice"),
    (gate.headings_have_anchors, "## Part { #part }\n", "exactly one title"),
    (gate.figures_differ, "<svg>a</svg>\n\n<svg>a</svg>\n", "line 3: the figure of line 1 again"),
    (gate.headings_are_chinese, "# 标题\n\n## Train the `model` on MNIST { #train }\n", "is not Chinese"),
    (gate.links_say_where_they_lead, "Then [Start](a.md#b) it.\n", "line 1: the link [Start] does not say where"),
    (gate.links_say_where_they_lead, "说明\n\n见[这里](a.md)。\n", "line 3: the link [这里] does not say where"),
    (gate.terms_are_those_of_the_glossary, "# 标题\n\n用遮罩挡住。\n", "line 3: '遮罩': write 因果掩码"),
]


@pytest.mark.parametrize("rule, text, complaint", BAD_PAGES, ids=rule_name)
def test_page_rule_complains(rule, text, complaint, tmp_path):
    complaints = list(rule(write_project(tmp_path, chinese=text)[0]))
    assert any(complaint in line for line in complaints), complaints


BAD_LANGUAGES = [
    (gate.same_headings, GOOD.replace("## 训练循环", "### Loop"), "heading 3 is '## loop' in Chinese and '### loop'"),
    (gate.same_headings, GOOD.replace("#loop", "#loops"), "heading 3 is '## loop' in Chinese and '## loops'"),
    (gate.same_headings, GOOD + "\n## More { #more }\n", "3 headings in Chinese, 4 in English"),
    (gate.same_includes, GOOD.replace("code.py:train", "code.py"), "include 2 is 'snippets/code.py:train' in Chinese"),
    (gate.same_blocks, GOOD.replace("```sh", "```text"), "block 3 is 'sh not run' in Chinese and 'text not run'"),
    (gate.same_blocks, GOOD.replace("<!-- not run: 要用到平台 -->", ""), "and 'sh' in English"),
    (
        gate.same_placeholders,
        GOOD + "\n{{ results-machine: mnist }}\n",
        "{{ results-machine: mnist }} stands more often",
    ),
]


def test_a_page_changed_in_both_languages_was_compared(tmp_path):
    write_project(tmp_path)
    record(tmp_path, [])
    assert not list(gate.compared_when_both_change(*write_project(tmp_path, chinese=GOOD + "新\n")))
    pair = write_project(tmp_path, chinese=GOOD + "新\n", english=GOOD + "new\n")
    (complaint,) = gate.compared_when_both_change(*pair)
    assert complaint.endswith("make translated PAGES=page")
    record(tmp_path, [])
    assert not list(gate.compared_when_both_change(*pair))


@pytest.mark.parametrize("rule, english, complaint", BAD_LANGUAGES, ids=rule_name)
def test_language_rule_complains(rule, english, complaint, tmp_path):
    complaints = list(rule(*write_project(tmp_path, english=english)))
    assert any(complaint in line for line in complaints), complaints


BAD_PROJECTS = [
    (gate.sections_are_paired, CODE.replace("# --8<-- [end:train]", ""), "snippets/code.py: section train never ends"),
    (gate.sections_are_paired, CODE.replace("# --8<-- [start:train]", ""), "line 7: section train ends but has not"),
    (gate.sections_are_paired, CODE * 2, "line 10: section train is defined twice"),
    (gate.sections_are_paired, "# --8<-- [start:a]\n\n# --8<-- [end:a]\n", "line 3: section a is empty"),
    (gate.snippets_are_used, CODE.replace("train]", "test]"), "section snippets/code.py:test is on no page"),
    (
        gate.imports_are_shown,
        f"import torch\n\n{CODE.replace('import torch', '')}",
        "line 8: torch is imported outside",
    ),
    (gate.snippets_are_plain, CODE.replace("(1)!", "fmt: skip"), "snippets/code.py line 6: 'model = "),
]


@pytest.mark.parametrize("rule, code, complaint", BAD_PROJECTS, ids=rule_name)
def test_project_rule_complains(rule, code, complaint, tmp_path):
    complaints = list(rule(tmp_path, write_project(tmp_path, code=code)))
    assert any(complaint in line for line in complaints), complaints


def test_unused_snippet_is_found(tmp_path):
    pages = write_project(tmp_path)
    (tmp_path / "snippets/new").mkdir()
    (tmp_path / "snippets/new/other.py").write_text("x = 1\n", encoding="utf-8")
    assert list(gate.snippets_are_used(tmp_path, pages)) == ["snippets/new/other.py is on no page"]


def test_an_import_that_comes_too_late_is_found(tmp_path):
    code = CODE.replace("import torch\n", "").replace('A program."""\n', 'A program."""\nimport torch\n')
    pages = write_project(tmp_path, code=f"{code}# --8<-- [start:late]\nimport torch\n# --8<-- [end:late]\n")
    assert len(list(gate.imports_are_shown(tmp_path, pages))) == 1


def test_what_an_earlier_step_defined_needs_no_import(tmp_path):
    pages = write_project(
        tmp_path, code=CODE.replace("import torch", "").replace('"""A', 'from other import torch\n"""A')
    )
    assert list(gate.imports_are_shown(tmp_path, pages)) != []
    (tmp_path / "snippets/other.py").write_text("torch = 1\n", encoding="utf-8")
    assert list(gate.imports_are_shown(tmp_path, pages)) == []


def test_a_guide_without_a_step_of_the_others_is_found(tmp_path):
    write_project(tmp_path)
    guide = tmp_path / "docs/zh/guides/new.md"
    guide.parent.mkdir()
    guide.write_text("# New\n", encoding="utf-8")
    for name, section in gate.STEPS[1:]:
        file = tmp_path / "snippets/new" / name
        file.parent.mkdir(exist_ok=True)
        before = file.read_text("utf-8") if file.exists() else ""
        file.write_text(f"{before}# --8<-- [start:{section}]\nx = 1\n# --8<-- [end:{section}]\n", encoding="utf-8")
    assert list(gate.same_names(tmp_path, [Page(guide, tmp_path)])) == [
        "snippets/new/prepare_data.py:prepare is missing: a guide takes the steps of the others"
    ]


def write_guide(root, name, text="# 标题\n"):
    guide = root / "docs/zh/guides" / name
    guide.parent.mkdir(parents=True, exist_ok=True)
    guide.write_text(text, encoding="utf-8")
    return Page(guide, root)


def test_an_example_without_a_page_and_a_page_without_an_example_are_found(tmp_path):
    facts = tmp_path / "src/alphamed_tutorials/examples/new/example.toml"
    facts.parent.mkdir(parents=True)
    facts.touch()
    pages = [write_guide(tmp_path, name) for name in ("new.md", "new-program.md", "old.md")]
    assert list(gate.guides_and_examples_belong_together(tmp_path, pages)) == [
        "docs/en/guides/new-program.md is missing: an example has its pages",
        "docs/en/guides/new.md is missing: an example has its pages",
        "docs/zh/guides/old.md: there is no example old",
    ]


@pytest.mark.parametrize("ending", gate.SECTIONS)
def test_a_section_that_is_missing_or_elsewhere_is_found(tmp_path, ending):
    def complaints(anchors):
        text = "# 标题\n\n" + "".join(f"## 小节 {{ #{anchor} }}\n\n" for anchor in anchors)
        return list(gate.guides_have_their_sections(tmp_path, [write_guide(tmp_path, f"new{ending}.md", text)]))

    anchors = [*gate.SECTIONS[ending]]
    assert complaints(anchors) == complaints(["more", *anchors]) == []
    assert complaints(anchors[1:]) == [f"docs/zh/guides/new{ending}.md: the section #{anchors[0]} is missing"]
    (complaint,) = complaints([anchors[-1], *anchors[:-1]])
    assert "not in the order" in complaint


@pytest.mark.parametrize("language, missing", [("zh", "English"), ("en", "Chinese")])
def test_missing_page_is_found(language, missing, tmp_path):
    pages = write_project(tmp_path)
    (tmp_path / "docs" / language / "more.md").write_text("# More\n", encoding="utf-8")
    assert list(gate.same_tree(tmp_path, pages)) == [f"more.md is missing in {missing}"]


def test_every_rule_is_seen_to_complain():
    proven = {rule for rule, *_ in BAD_PAGES + BAD_LANGUAGES + BAD_PROJECTS}
    proven |= {
        gate.same_tree,
        gate.same_names,
        gate.guides_and_examples_belong_together,
        gate.guides_have_their_sections,
        gate.compared_when_both_change,
    }
    assert proven == {*gate.PAGE_RULES, *gate.LANGUAGE_RULES, *gate.PROJECT_RULES}
