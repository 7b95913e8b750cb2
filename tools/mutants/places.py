"""Where a module can be made wrong, and how: one mutant for each.

What a mutant is called by stays the same when lines move: its function, the statement that was and that is now, and
which of several alike it is.
"""

from __future__ import annotations

import ast
import copy
import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

CORE = Path("src/kafka_sentinel/core")

COMPARISONS = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
SUMS = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
ORDERED = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
OPPOSITES = {"min": "max", "max": "min", "any": "all", "all": "any"}
WORDS = (ast.JoinedStr, ast.List, ast.Tuple)  # what is joined with these has no opposite of `+`

Change = tuple[ast.AST, str, int | None, ast.AST]  # whose field, which, at which place of it, becomes what
Owner = tuple[ast.AST, str, int]  # where a statement stands


@dataclass(frozen=True)
class Mutant:
    """`where`: the function, as its qualified name has it. `lines`: a test that runs one of them may notice."""

    module: str
    where: str
    line: int
    lines: range
    was: str
    now: str
    number: int
    change: Change = field(repr=False, compare=False)

    @property
    def name(self) -> str:
        told = "\n".join((self.module, self.where, self.was, self.now, str(self.number)))
        return hashlib.sha256(told.encode()).hexdigest()[:8]

    @property
    def outermost(self) -> str:
        """The function whose code holds it: that of a nested one is a constant of it."""
        return self.where.partition(".<locals>")[0]

    def described(self) -> str:
        said = [f"{self.name}  {path_of(self.module)}:{self.line}  {self.where}"]
        said += [f"    - {line}" for line in self.was.splitlines()]
        said += [f"    + {line}" for line in self.now.splitlines()]
        return "\n".join(said)


def path_of(module: str) -> Path:
    return CORE / f"{module}.py"


def modules() -> list[str]:
    """All modules of the core, as `verdicts` or `kubernetes/attribution`."""
    paths = sorted(CORE.rglob("*.py"))
    return [path.relative_to(CORE).with_suffix("").as_posix() for path in paths if path.name != "__init__.py"]


class Source:
    """One module of the core, and the mutants of it."""

    def __init__(self, module: str) -> None:
        self.module = module
        self.path = path_of(module)
        self.text = self.path.read_text()
        self._tree = ast.parse(self.text)
        self.mutants = list(self._all())

    def compiled(self, mutant: Mutant | None = None) -> object:
        """Return the code of the module, with that mutant in it."""
        if mutant is None:
            return compile(self._tree, str(self.path.resolve()), "exec", dont_inherit=True)
        with _changed(mutant.change):
            return compile(self._tree, str(self.path.resolve()), "exec", dont_inherit=True)

    def _all(self) -> Iterator[Mutant]:
        alike: Counter[tuple[str, str, str]] = Counter()
        for where, statement, owner in _statements(self._tree, ()):
            lines = range(statement.lineno, _header_end(statement) + 1)
            for node, change in _changes(statement, owner):
                was, now = _told(statement, change)
                line = getattr(node, "lineno", statement.lineno)
                number = alike[where, was, now]
                alike[where, was, now] += 1
                yield Mutant(self.module, where, line, lines, was, now, number, change)


class _changed:  # noqa: N801 - used as a statement
    """The tree is changed while this lasts; `compile` reads it then. Nothing of it is copied."""

    def __init__(self, change: Change) -> None:
        self._owner, self._field, self._index, self._new = change

    def __enter__(self) -> ast.AST:
        held = getattr(self._owner, self._field)
        self._old = held if self._index is None else held[self._index]
        self._put(self._new)
        return self._old

    def __exit__(self, *_: object) -> None:
        self._put(self._old)

    def _put(self, node: ast.AST) -> None:
        if self._index is None:
            setattr(self._owner, self._field, node)
        else:
            getattr(self._owner, self._field)[self._index] = node


def _statements(node: ast.AST, inside: tuple[str, ...]) -> Iterator[tuple[str, ast.stmt, Owner]]:
    """Yield what stands in functions, with the qualified name of the function, and where in the tree."""
    for owner, name, body in _bodies(node):
        for index, statement in enumerate(body):
            if isinstance(statement, ast.ClassDef):
                yield from _statements(statement, (*inside, statement.name))
            elif isinstance(statement, ast.FunctionDef):
                yield from _statements(statement, (*inside, statement.name, "<locals>"))
            elif inside and inside[-1] == "<locals>":
                yield ".".join(inside[:-1]), statement, (owner, name, index)
                yield from _statements(statement, inside)


def _bodies(node: ast.AST) -> Iterator[tuple[ast.AST, str, list[ast.stmt]]]:
    for name in ("body", "orelse", "finalbody"):
        yield node, name, getattr(node, name, [])
    for inner in (*getattr(node, "handlers", []), *getattr(node, "cases", [])):
        yield from _bodies(inner)


def _header_end(statement: ast.stmt) -> int:
    """Return the last line of what is run of a statement before what stands in it."""
    bodies = [part[0].lineno for _, _, part in _bodies(statement) if part]
    return statement.end_lineno or statement.lineno if not bodies else max(min(bodies) - 1, statement.lineno)


def _told(statement: ast.stmt, change: Change) -> tuple[str, str]:
    """Return the statement that was and that is now, without what stands in it."""
    _, _, index, new = change
    if isinstance(new, ast.match_case):
        return _case(statement.cases[index]), _case(new)
    if isinstance(new, ast.stmt):
        return ast.unparse(statement), ast.unparse(new)
    was = _bare(statement)
    with _changed(change):
        return was, _bare(statement)


def _bare(statement: ast.stmt) -> str:
    bare = copy.copy(statement)
    for name in ("body", "orelse", "finalbody", "cases", "handlers"):
        if getattr(bare, name, None):
            setattr(bare, name, [])
    return ast.unparse(bare)


def _case(case: ast.match_case) -> str:
    return ast.unparse(ast.match_case(case.pattern, case.guard, [])).strip()


def _changes(statement: ast.stmt, owner: Owner) -> Iterator[tuple[ast.AST, Change]]:
    if _is_worth_what_it_does(statement):
        yield statement, (*owner, _at(ast.Pass(), statement))
    if isinstance(statement, ast.Assert | ast.Raise):
        return
    if isinstance(statement, ast.Return) and statement.value is not None and not _is_none(statement.value):
        yield statement, (statement, "value", None, _at(ast.Constant(None), statement.value))
    if isinstance(statement, ast.AugAssign):
        anew = ast.Assign([statement.target], statement.value)
        yield statement, (*owner, _at(anew, statement))
    if isinstance(statement, ast.AugAssign) and type(statement.op) in SUMS and not isinstance(statement.value, WORDS):
        yield statement, (statement, "op", None, SUMS[type(statement.op)]())
    if isinstance(statement, ast.Match):
        yield from _cases(statement)
    for name, index, child in _parts(statement):
        if isinstance(child, ast.expr):
            yield from _of_expression(statement, name, index, child)


def _is_worth_what_it_does(statement: ast.stmt) -> bool:
    """Whether it can be left out, and the rest can be run. Without `super()` it would be another kind of code."""
    match statement:
        case ast.Expr(value=value):
            return not isinstance(value, ast.Constant) and "super()" not in ast.unparse(value)
        case ast.Assign(targets=targets):
            return not all(isinstance(target, ast.Name | ast.Tuple) for target in targets)
        case ast.Return(value=value):
            return value is None
    return isinstance(statement, ast.AugAssign | ast.Delete | ast.Raise | ast.Continue | ast.Break)


def _cases(statement: ast.Match) -> Iterator[tuple[ast.AST, Change]]:
    """A case is never taken, or always. The last one may be what cannot be; after one that takes all, none may come."""
    for index, case in enumerate(statement.cases):
        takes_all = isinstance(case.pattern, ast.MatchAs) and case.pattern.pattern is None
        if takes_all and case.guard is None:
            continue
        never = ast.match_case(case.pattern, _at(ast.Constant(False), case.pattern), case.body)
        yield case.pattern, (statement, "cases", index, never)
        if case.guard is not None and not (takes_all and case is not statement.cases[-1]):
            always = ast.match_case(case.pattern, None, case.body)
            yield case.guard, (statement, "cases", index, always)


def _parts(node: ast.AST) -> Iterator[tuple[str, int | None, ast.AST]]:
    for name, held in ast.iter_fields(node):
        if name in {"annotation", "decorator_list", "returns", "body", "orelse", "finalbody", "handlers", "cases"} and (
            isinstance(node, ast.stmt)
        ):
            continue
        if isinstance(held, list):
            yield from ((name, index, each) for index, each in enumerate(held) if isinstance(each, ast.AST))
        elif isinstance(held, ast.AST):
            yield name, None, held


def _of_expression(owner: ast.AST, name: str, index: int | None, node: ast.AST) -> Iterator[tuple[ast.AST, Change]]:
    """Yield the mutants of an expression, which stands in that field, and of what stands in it.

    A condition is forced both ways, and each part of one left out. To negate it besides would tell nothing new.
    """
    if isinstance(node, ast.JoinedStr):
        return
    forced = name in {"test", "ifs"} and not isinstance(node, ast.Constant)
    negated = not forced and not isinstance(owner, ast.BoolOp)
    for new in _instead(node):
        if negated or not isinstance(node, ast.UnaryOp):
            yield node, (owner, name, index, _at(new, node))
    if forced:
        for truth in (True, False):
            if not (truth and isinstance(owner, ast.While)):
                yield node, (owner, name, index, _at(ast.Constant(truth), node))
    yield from _of_operators(node, negated=negated)
    for inner, place, child in _parts(node):
        if isinstance(child, ast.keyword) and _is_word(child.value):
            continue
        if isinstance(child, ast.expr | ast.comprehension | ast.keyword):
            yield from _of_expression(node, inner, place, child)


def _of_operators(node: ast.AST, *, negated: bool) -> Iterator[tuple[ast.AST, Change]]:
    if isinstance(node, ast.Compare):
        for index, operator in enumerate(node.ops):
            if negated or isinstance(operator, ORDERED):
                yield node, (node, "ops", index, COMPARISONS[type(operator)]())
    elif isinstance(node, ast.BinOp) and type(node.op) in SUMS and not _of_words(node):
        yield node, (node, "op", None, SUMS[type(node.op)]())


def _of_words(node: ast.BinOp) -> bool:
    return any(isinstance(side, WORDS) or _is_word(side) for side in (node.left, node.right))


def _is_word(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _instead(node: ast.AST) -> Iterator[ast.expr]:
    """Yield what may stand in its place."""
    match node:
        case ast.BoolOp(op=op, values=values):
            for index in range(len(values)):
                rest = values[:index] + values[index + 1 :]
                yield rest[0] if len(rest) == 1 else ast.BoolOp(op, rest)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield operand
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value)):
            yield ast.Constant(value + 1)
        case ast.Constant(value=float(value)):
            yield ast.Constant(value * 2 + 1)
        case ast.Call(func=ast.Name(id=name), args=args, keywords=keywords) if name in OPPOSITES:
            yield ast.Call(ast.Name(OPPOSITES[name], ast.Load()), args, keywords)
        case ast.Call(func=ast.Name(id="sorted"), args=[only]):
            yield ast.Call(ast.Name("list", ast.Load()), [only], [])


def _at(new: ast.expr | ast.stmt, old: ast.AST) -> ast.AST:
    """Give what is new the place of what was there; the parts of it that were there keep theirs."""
    return ast.fix_missing_locations(ast.copy_location(new, old))
