"""The house rules that no linter knows, held over every file of the tree.

Rules of this file:

* A rule is a function from a text to the breaches found in it, the files that it covers, and an
  example that breaks it. Each rule is run on its files and on its example, so that none passes
  because it cannot fail.
* Words that must not stand in the tree are put together here from halves, for this file is covered
  as well.
"""

import ast
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60

VAGUE_WORDS = {"data", "info", "manager", "helper", "helpers", "utils", "util", "process"}
CORE_WORDS = VAGUE_WORDS | {"transaction", "transactions", "fill", "fills", "lock", "freeze"}

UNFINISHED = re.compile("|".join([r"\bTO" + r"DO\b", r"\bFIX" + r"ME\b", r"\bX" + r"XX\b"]))
REGISTRIES = [
    "py" + "pi.org",
    "python" + "hosted",
    "ma" + "ven.org",
    "npm" + "js",
    "crates" + ".io",
]
REGISTRY = re.compile("|".join(re.escape(host) for host in [*REGISTRIES, "deb." + "debian"]))
MACHINE_PATH = re.compile(r"(?<![\w.~$}*-])/(?:" + "wo" + "rk|ro" + "ot|ho" + "me|Us" + r"ers)/\w")
LOCAL_LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)\s#]+)(?:#[^)\s]*)?\)")
NAMED_DOCUMENT = re.compile(r"\bdocs/[a-z0-9/-]+\.md\b")
MAKE_COMMAND = re.compile(r"(?:^|`)\s*(?:\$ )?make ([a-z-]+)", re.MULTILINE)
SET_READERS = {"list", "tuple", "iter", "next", "enumerate", "zip", "map", "filter", "reversed"}

Breaches = Iterator[str]


def tracked_files() -> list[Path]:
    """All files of the tree that git keeps or would keep, relative to the root."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    names = [Path(name) for name in listing.stdout.split("\0") if name]
    return sorted(name for name in names if (ROOT / name).is_file())


def is_python(path: Path) -> bool:
    return path.suffix == ".py"


def is_source(path: Path) -> bool:
    return is_python(path) and path.parts[0] in {"ledger", "consumers", "migrations"}


def is_core(path: Path) -> bool:
    return is_python(path) and path.parts[:2] == ("ledger", "core")


def is_markdown(path: Path) -> bool:
    return path.suffix == ".md"


def is_text(path: Path) -> bool:
    return b"\0" not in (ROOT / path).read_bytes()[:8192]


def first_line_tells(text: str, _path: Path) -> Breaches:
    docstring = ast.get_docstring(ast.parse(text), clean=True)
    if docstring is None or not text.startswith('"""'):
        yield "line 1: no docstring that says what the module is"
        return
    sentence = docstring.split("\n", 1)[0]
    if not sentence.endswith("."):
        yield f"line 1: not a sentence that ends on its line: {sentence!r}"
    elif re.search(r"[a-z]\. [A-Z]", sentence):
        yield f"line 1: more than one sentence: {sentence!r}"


def file_is_short(text: str, _path: Path) -> Breaches:
    lines = text.count("\n")
    if lines > FILE_LINES_MAX:
        yield f"{lines} lines, {FILE_LINES_MAX} allowed: split it at a noun"


def functions_are_short(text: str, _path: Path) -> Breaches:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES_MAX:
                yield f"line {node.lineno}: {node.name} has {lines} lines"


def defined_names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and identifier of everything that the module itself names."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield node.lineno, name
            case ast.ClassDef(name=name):
                yield node.lineno, name
            case ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()):
                yield node.lineno, name
            case ast.Attribute(attr=name, ctx=ast.Store()) | ast.alias(asname=str(name)):
                yield node.lineno, name
            case _:
                pass


def names_without(banned: set[str]) -> Callable[[str, Path], Breaches]:
    def names_are_plain(text: str, path: Path) -> Breaches:
        module = (1, path.stem)
        for line, name in [module, *defined_names(ast.parse(text))]:
            words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().split("_")
            for word in sorted(banned.intersection(words)):
                yield f"line {line}: {name} says {word!r}"

    return names_are_plain


def numbers_are_whole(text: str, _path: Path) -> Breaches:
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Constant(value=float() | complex() as value):
                yield f"line {node.lineno}: the float {value}"
            case ast.Name(id="float" | "complex" | "round"):
                yield f"line {node.lineno}: {node.id}"
            case ast.BinOp(op=ast.Div()) | ast.AugAssign(op=ast.Div()):
                yield f"line {node.lineno}: a true division"
            case _:
                pass


def makes_set(node: ast.expr | None) -> bool:
    match node:
        case ast.Set() | ast.SetComp():
            return True
        case ast.Call(func=ast.Name(id="set" | "frozenset")):
            return True
        case _:
            return False


def names_set(annotation: ast.expr) -> bool:
    return bool(re.match(r"(Mutable|Abstract)?([Ff]rozen)?[sS]et\b", ast.unparse(annotation)))


def names_of_sets(tree: ast.Module) -> set[str]:
    """Variables, attributes and arguments that hold a set, as they are written."""
    found = set()
    for node in ast.walk(tree):
        match node:
            case ast.AnnAssign(target=target, annotation=annotation) if names_set(annotation):
                found.add(ast.unparse(target))
                found.add(f"self.{ast.unparse(target)}")
            case ast.arg(arg=name, annotation=ast.expr() as annotation) if names_set(annotation):
                found.add(name)
            case ast.Assign(targets=targets, value=value) if makes_set(value):
                found.update(ast.unparse(target) for target in targets)
            case _:
                pass
    return found


def sets_are_not_walked(text: str, _path: Path) -> Breaches:
    """Sets of strings are walked in another order in each run; `sorted` gives them one."""
    tree = ast.parse(text)
    known = names_of_sets(tree)
    walked: list[ast.expr] = []
    for node in ast.walk(tree):
        match node:
            case ast.For(iter=source) | ast.comprehension(iter=source) | ast.Starred(value=source):
                walked.append(source)
            case ast.Call(func=ast.Name(id=name), args=arguments) if name in SET_READERS:
                walked.extend(arguments)
            case ast.Call(func=ast.Attribute(value=source, attr="pop"), args=[]):
                walked.append(source)
            case _:
                pass
    for source in walked:
        if makes_set(source) or ast.unparse(source) in known:
            yield f"line {source.lineno}: walks the set {ast.unparse(source)}"


def matches(pattern: re.Pattern[str]) -> Callable[[str, Path], Breaches]:
    def nothing_matches(text: str, _path: Path) -> Breaches:
        for number, line in enumerate(text.splitlines(), start=1):
            if found := pattern.search(line):
                yield f"line {number}: {found.group()!r}"

    return nothing_matches


def links_resolve(text: str, path: Path) -> Breaches:
    for target in LOCAL_LINK.findall(text):
        if not (ROOT / path.parent / target).exists():
            yield f"the link to {target} leads nowhere"


def documents_exist(text: str, _path: Path) -> Breaches:
    for document in NAMED_DOCUMENT.findall(text):
        if not (ROOT / document).exists():
            yield f"{document} is named, and is not there"


def make_commands_exist(text: str, _path: Path) -> Breaches:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    for command in MAKE_COMMAND.findall(text):
        if command not in targets:
            yield f"the Makefile has no target {command}"


class Rule(NamedTuple):
    """A rule of the house.

    Attributes:
        covers: Tells the files that it holds for.
        breaches: Finds what breaks it in a text.
        example: A text that breaks it.
    """

    covers: Callable[[Path], bool]
    breaches: Callable[[str, Path], Breaches]
    example: str


RULES = {
    "first line is a sentence that tells what the module is": Rule(
        is_python, first_line_tells, '"""Some things"""\n'
    ),
    "files are short": Rule(is_source, file_is_short, "\n" * (FILE_LINES_MAX + 1)),
    "functions are short": Rule(
        is_source, functions_are_short, "def long():\n" + "    pass\n" * FUNCTION_LINES_MAX
    ),
    "names say something": Rule(
        is_source, names_without(VAGUE_WORDS), "class TradeManager:\n    pass\n"
    ),
    "the core keeps to the glossary": Rule(
        is_core, names_without(CORE_WORDS), "def apply(transaction):\n    pass\n"
    ),
    "the core counts in whole numbers": Rule(is_core, numbers_are_whole, "half = 1 / 2\n"),
    "the core walks no set": Rule(
        is_core, sets_are_not_walked, "seen: set[str] = set()\nfor name in seen:\n    print(name)\n"
    ),
    "nothing is left unfinished": Rule(is_text, matches(UNFINISHED), "# TO" + "DO: later\n"),
    "no address of a registry": Rule(
        is_text, matches(REGISTRY), "see https://py" + "pi.org/project/x\n"
    ),
    "no path of one machine": Rule(is_text, matches(MACHINE_PATH), "cd /ho" + "me/somebody/src\n"),
    "links to files resolve": Rule(is_markdown, links_resolve, "[gone](no-such-page.md)\n"),
    "documents named in the code exist": Rule(
        is_python, documents_exist, "# see docs/no-such" + "-page.md\n"
    ),
    "documented make targets exist": Rule(is_markdown, make_commands_exist, "    make coffee\n"),
}


@pytest.fixture(scope="module")
def tree() -> list[Path]:
    return tracked_files()


@pytest.mark.parametrize("name", RULES)
def test_the_tree_keeps(name: str, tree: list[Path]) -> None:
    rule = RULES[name]
    covered = [path for path in tree if rule.covers(path)]
    assert covered, "the rule covers no file at all"
    breaches = [
        f"{path}: {breach}"
        for path in covered
        for breach in rule.breaches((ROOT / path).read_text(encoding="utf-8"), path)
    ]
    assert not breaches, "\n".join([f"{name}:", *breaches])


@pytest.mark.parametrize("name", RULES)
def test_a_breach_is_found_of(name: str) -> None:
    rule = RULES[name]
    assert list(rule.breaches(rule.example, Path("example.py"))), "the rule cannot fail"


@pytest.mark.parametrize(
    "text",
    [
        "for name in {'a', 'b'}:\n    print(name)\n",
        "names = list(set(given))\n",
        "def first(open_ids: frozenset[str]):\n    return [*open_ids]\n",
        "class State:\n    held: set[int]\n\n    def take(self):\n        return self.held.pop()\n",
    ],
    ids=["literal", "call", "argument", "attribute"],
)
def test_a_walk_over_a_set_is_found_in_each_disguise(text: str) -> None:
    assert list(sets_are_not_walked(text, Path("example.py")))


def test_a_sorted_set_may_be_walked() -> None:
    text = "seen: set[str] = set()\nfor name in sorted(seen):\n    print(name)\n"
    assert not list(sets_are_not_walked(text, Path("example.py")))
