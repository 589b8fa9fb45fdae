"""The changes to a module: which ones there are, where each stands, and how it is named.

A mutant is named by its module, the function it is in, and the line before and after. That name outlives edits
elsewhere in the module, unlike a line number.
"""

import ast
import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import parso.python.tree
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators import (
    binary_operator_replacement,
    boolean_replacer,
    break_continue,
    comparison_operator_replacement,
    remove_decorator,
    unary_operator_replacement,
    zero_iteration_for_loop,
)
from cosmic_ray.operators.number_replacer import NumberReplacer
from cosmic_ray.operators.operator import Example, Operator

# Every operator turns into its neighbour and into its opposite: what a slip of the pen or of the mind makes of it.
# Cosmic Ray has them all turn into each other, eleven mutants where two or three show whether a test looks.
_COMPARISONS = (
    *("Eq_NotEq", "NotEq_Eq", "Is_IsNot", "IsNot_Is"),
    *("Lt_LtE", "Lt_GtE", "LtE_Lt", "LtE_Gt", "Gt_GtE", "Gt_LtE", "GtE_Gt", "GtE_Lt"),
)
_ARITHMETIC = (
    *("Add_Sub", "Sub_Add", "Mul_Div", "Div_Mul", "FloorDiv_Mul", "Mod_Mul", "Pow_Mul"),
    *("BitAnd_BitOr", "BitOr_BitAnd", "RShift_LShift", "LShift_RShift"),
)
_SIGNS = ("USub_UAdd", "Delete_Invert", "Delete_Not")

_SMALLEST, _LARGEST = 0.01, 1000.0

_NAMES: Mapping[str, str] = {
    "all": "any",
    "all_horizontal": "any_horizontal",
    "any": "all",
    "any_horizontal": "all_horizontal",
    "bisect_left": "bisect_right",
    "bisect_right": "bisect_left",
    "first": "last",
    "is_not_null": "is_null",
    "is_null": "is_not_null",
    "last": "first",
    "max": "min",
    "max_horizontal": "min_horizontal",
    "min": "max",
    "min_horizontal": "max_horizontal",
}
_OF_A_CALL = ("argument", "arglist", "trailer")
_WORDS: Mapping[str, str] = {
    "anti": "semi",
    "dense": "min",
    "first": "last",
    "full": "left",
    "left": "inner",
    "min": "max",
    "semi": "anti",
}


class ReplaceName(Operator):
    """Calls the opposite of a function or method: `min` for `max`, `any_horizontal` for `all_horizontal`."""

    def mutation_positions(self, node):
        if node.type == "name" and node.value in _NAMES and _is_called(node):
            yield (node.start_pos, node.end_pos)

    def mutate(self, node, index):
        del index
        return parso.python.tree.Name(_NAMES[node.value], node.start_pos, node.prefix)

    @classmethod
    def examples(cls):
        return (Example("max(x)", "min(x)"), Example("x.is_null()", "x.is_not_null()"))


class ReplaceWord(Operator):
    """Says the opposite in a word that polars takes: `how="inner"` for `how="left"`."""

    def mutation_positions(self, node):
        if node.type == "string" and node.value.strip("\"'") in _WORDS and node.parent.type in _OF_A_CALL:
            yield (node.start_pos, node.end_pos)

    def mutate(self, node, index):
        del index
        word = _WORDS[node.value.strip("\"'")]
        return parso.python.tree.String(f'"{word}"', node.start_pos, node.prefix)

    @classmethod
    def examples(cls):
        return (Example('join(x, how="left")', 'join(x, how="inner")'),)


class ReplaceNumber(NumberReplacer):
    """A number off by one; a factor of thousands, or a tolerance of thousandths, is doubled and halved instead."""

    def mutate(self, node, index):
        value = ast.literal_eval(node.value)
        if isinstance(value, float) and value and not _SMALLEST <= value < _LARGEST:
            other = value * 2 if index == 0 else value / 2
            return parso.python.tree.Number(str(other), node.start_pos, node.prefix)
        return super().mutate(node, index)

    @classmethod
    def examples(cls):
        return (Example("x = 1", "x = 2"), Example("x = 1", "x = 0"), Example("x = 1e6", "x = 5e5"))


class CatchAnother(Operator):
    """Catches what is not raised. Cosmic Ray's own operator cannot read exceptions with a dot in their name."""

    def mutation_positions(self, node):
        if node.type == "except_clause":
            yield (node.children[1].start_pos, node.children[1].end_pos)

    def mutate(self, node, index):
        del index
        caught = node.children[1]
        node.children[1] = parso.python.tree.Name("ZeroDivisionError", caught.start_pos, " ")
        return node

    @classmethod
    def examples(cls):
        return (Example("try: x\nexcept OSError: y", "try: x\nexcept ZeroDivisionError: y"),)


def _is_called(node) -> bool:
    following = node.get_next_leaf()
    return following is not None and following.value == "("


def _operators() -> Iterator[Operator]:
    modules = (comparison_operator_replacement, binary_operator_replacement, unary_operator_replacement)
    kinds = ("ReplaceComparisonOperator", "ReplaceBinaryOperator", "ReplaceUnaryOperator")
    for module, kind, pairs in zip(modules, kinds, (_COMPARISONS, _ARITHMETIC, _SIGNS), strict=True):
        for pair in pairs:
            yield getattr(module, f"{kind}_{pair}")()
    yield boolean_replacer.AddNot()
    yield boolean_replacer.ReplaceTrueWithFalse()
    yield boolean_replacer.ReplaceFalseWithTrue()
    yield boolean_replacer.ReplaceAndWithOr()
    yield boolean_replacer.ReplaceOrWithAnd()
    yield break_continue.ReplaceBreakWithContinue()
    yield break_continue.ReplaceContinueWithBreak()
    yield CatchAnother()
    yield ReplaceNumber()
    yield remove_decorator.RemoveDecorator()
    yield zero_iteration_for_loop.ZeroIterationForLoop()
    yield ReplaceName()
    yield ReplaceWord()


@dataclass(frozen=True, order=True)
class Name:
    """What a mutant is called."""

    module: str
    """Its file, from the root of the checkout."""

    where: str
    """The function or class that it is in; empty at the top of the module."""

    line: str
    """The line, or the lines, as they are."""

    becomes: str
    """What stands there instead."""


@dataclass(frozen=True)
class Mutant:
    """A module with one change."""

    name: Name
    number: int
    """The line of the change, from 1: for people to find it."""
    source: str


def mutants_of(module: str, source: str) -> list[Mutant]:
    """All mutants of a module that mean something else than the module, each meaning once, from top to bottom."""
    tree = ast.parse(source)
    meanings = {_meaning(source)}
    found = []
    for operator in _operators():
        occurrence = 0
        while (mutated := mutate_code(source, operator, occurrence)) is not None:
            occurrence += 1
            try:
                meaning = _meaning(mutated)
            except SyntaxError:
                continue
            if meaning not in meanings:
                meanings.add(meaning)
                found.append(_named(module, tree, source, mutated))
    return sorted(found, key=lambda mutant: (mutant.number, mutant.name))


def _meaning(source: str) -> str:
    """The module without what guards programmers alone: annotations, frozen classes, how arguments have to be given.

    A condition that is turned round twice, or by its operator, is one condition.
    """
    return ast.dump(_Bare().visit(ast.parse(source)))


_PAIRS = ((ast.Eq, ast.NotEq), (ast.Is, ast.IsNot), (ast.In, ast.NotIn), (ast.Lt, ast.GtE), (ast.Gt, ast.LtE))
_OPPOSITES: Mapping[type[ast.cmpop], type[ast.cmpop]] = {
    one: other for pair in _PAIRS for one, other in (pair, reversed(pair))
}


class _Bare(ast.NodeTransformer):
    def visit_keyword(self, node: ast.keyword) -> ast.AST | None:
        return None if node.arg in {"frozen", "kw_only"} else self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if isinstance(node.func, ast.Name) and node.func.id == "zip":
            node.keywords = []
        return self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        self.generic_visit(node)
        match node:
            case ast.UnaryOp(ast.Not(), ast.UnaryOp(ast.Not(), condition)):
                return condition
            case ast.UnaryOp(ast.Not(), ast.Compare(left, [operator], [right])) if type(operator) in _OPPOSITES:
                return ast.Compare(left, [_OPPOSITES[type(operator)]()], [right])
        return node

    def visit_arguments(self, node: ast.arguments) -> ast.AST:
        node.args = [*node.posonlyargs, *node.args, *node.kwonlyargs]
        node.defaults = [*node.defaults, *(default for default in node.kw_defaults if default is not None)]
        node.posonlyargs, node.kwonlyargs, node.kw_defaults = [], [], []
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.annotation = ast.Constant(value=None)
        return self.generic_visit(node)


def _named(module: str, tree: ast.Module, before: str, after: str) -> Mutant:
    old, new = before.splitlines(), after.splitlines()
    changes = [
        change
        for change in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
        if change[0] != "equal"
    ]
    start, end = changes[0][1], changes[-1][2]
    new_start, new_end = changes[0][3], changes[-1][4]
    name = Name(module, _where(tree, start + 1), tidy(old[start:end]), tidy(new[new_start:new_end]))
    return Mutant(name, start + 1, after)


def tidy(lines: Sequence[str]) -> str:
    """One line of text, without the spaces that Cosmic Ray leaves about its changes."""
    text = re.sub(r"\s+", " ", " ".join(lines)).strip()
    return re.sub(r"(?<=[(\[{]) | (?=[)\],:}])", "", text)


def _where(tree: ast.Module, line: int) -> str:
    names: list[str] = []
    node: ast.AST = tree
    while True:
        inner = next((each for each in _scopes(node) if _first_line(each) <= line <= (each.end_lineno or 0)), None)
        if inner is None:
            return ".".join(names)
        names.append(inner.name)
        node = inner


_Scope = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def _scopes(node: ast.AST) -> Iterator[_Scope]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield child
        else:
            yield from _scopes(child)


def _first_line(scope: _Scope) -> int:
    return min([scope.lineno, *(decorator.lineno for decorator in scope.decorator_list)])
