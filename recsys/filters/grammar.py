"""The AIP-160 grammar (https://google.aip.dev/160), read in one pass from left to right.

An OR binds tighter than an AND, as people speak: ``a AND b OR c`` is ``a AND (b OR c)``; words side by side are an AND.
Stricter than AIP-160: no functions, a * only at either end of a value, and limits, so that hostile text is cheap.
Looser: a value may be negative or an unquoted timestamp, ``field = (a OR b)`` compares with each.
"""

from __future__ import annotations

import re
from typing import Any, Final

from lark import Lark, Token, Transformer, UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from recsys.errors import FilterError
from recsys.filters.expressions import And, Comparator, Comparison, Expression, Not, Or, Value, Word
from recsys.filters.literals import name_of, shown, value_of, word_of

LONGEST_FILTER = 5000
DEEPEST_NESTING = 64
MOST_TERMS = 500

# A word's characters, its first one (a minus there negates), and what ends a keyword: ANDROID and AND-1 are words.
_INNER = r"""[^\s()"',:=<>!.\\]"""
_FIRST = r"""[^\s()"',:=<>!.\\\-]"""
_NO_KEYWORD = rf"(?!(?:AND|OR|NOT)(?!{_INNER}))"
_STRING = r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'"""
# Two strings without a space between them are SQL's way to write a quote, not two conditions.
_STRING_END = rf"""(?!["']|{_INNER})"""
_TIME = r"\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+\-]\d\d:\d\d)?"

# The lexer knows what the parser can take next, so that 2.5 is a number behind < and a name before it. For that a lone
# value and one in a group must be different rules: what may follow them differs.
_GRAMMAR = rf"""
start: [conjunction{{condition}}]
conjunction{{item}}: sequence{{item}} (_AND sequence{{item}})*
sequence{{item}}: disjunction{{item}}+
disjunction{{item}}: term{{item}} (_OR term{{item}})*
term{{item}}: item | (_NOT | _MINUS) item -> negation
?condition: NAME -> word | FUNCTION | _OPEN conjunction{{condition}} _CLOSE
          | NAME COMPARATOR (VALUE | STRING | FUNCTION) -> comparison
          | NAME COMPARATOR _OPEN conjunction{{argument}} _CLOSE -> comparison
?argument: (VALUE | STRING) -> value | FUNCTION | _OPEN conjunction{{argument}} _CLOSE

_AND: /AND(?!{_INNER})/
_OR: /OR(?!{_INNER})/
_NOT: /NOT(?!{_INNER})/
_MINUS: "-"
_OPEN: "("
_CLOSE: ")"
COMPARATOR: /[<>!]=|[=<>:]/
NAME: /{_NO_KEYWORD}(?:{_FIRST}{_INNER}*|(?:{_STRING}){_STRING_END})(?:\.(?:{_INNER}+|(?:{_STRING}){_STRING_END}))*/s
FUNCTION.1: /{_NO_KEYWORD}{_FIRST}{_INNER}*(?:\.{_INNER}+)*(?=\()/
STRING: /(?:{_STRING}){_STRING_END}/s
VALUE: /{_NO_KEYWORD}(?:{_TIME}|-?[\d.](?:{_INNER}|\.)*|{_FIRST}(?:{_INNER}|\.)*)/
%ignore /\s+/
"""

_UNREADABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_CLOSED_STRING = re.compile(_STRING, re.DOTALL)
_NEXT = re.compile(r"[<>!]?=|\w+|.", re.DOTALL)


class _Builder(Transformer[Token, Any]):
    """Builds the tree while the parser reduces: no second walk, and no recursion however deep the text."""

    def start(self, parts: list[Any]) -> Expression:
        return And(()) if parts[0] is None else parts[0]

    def conjunction(self, parts: list[Any]) -> Any:
        flat = [inner for part in parts for inner in part]
        return flat[0] if len(flat) == 1 else And(tuple(flat))

    def sequence(self, parts: list[Any]) -> list[Any]:
        return parts

    def disjunction(self, parts: list[Any]) -> Any:
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def term(self, parts: list[Any]) -> Any:
        return parts[0]

    def negation(self, parts: list[Any]) -> Not:
        return Not(parts[0])

    def word(self, tokens: list[Token]) -> Word:
        return Word(word_of(tokens[0], _start(tokens[0])))

    def value(self, tokens: list[Token]) -> Value:
        return value_of(tokens[0], _start(tokens[0]))

    def comparison(self, parts: list[Any]) -> Expression:
        name, comparator, argument = parts
        if isinstance(argument, Token):
            argument = self.value([argument])
        field, position = name_of(name, _start(name)), _start(name)
        # Neither, not "unlike one of them": that would be true of everything.
        if comparator == "!=" and not isinstance(argument, Value):
            return Not(_spread(field, "=", argument, position))
        return _spread(field, comparator.value, argument, position)


def _spread(field: str, comparator: Comparator, argument: Any, position: int) -> Expression:
    """``field = (a OR b)`` as ``field = a OR field = b``."""
    if isinstance(argument, And | Or):
        return type(argument)(tuple(_spread(field, comparator, part, position) for part in argument.parts))
    if isinstance(argument, Not):
        return Not(_spread(field, comparator, argument.part, position))
    return Comparison(field, comparator, argument, position)


_PARSER: Final = Lark(_GRAMMAR, parser="lalr", transformer=_Builder(), maybe_placeholders=True)
# Names and values less comparators: how many comparisons and words there are.
_TERMS = {"NAME": 1, "VALUE": 1, "STRING": 1, "COMPARATOR": -1}


def parse(text: str) -> Expression:
    """The tree of filter ``text``; an empty text is true everywhere.

    FilterError, with the position, on text that is too long, too deep, has too many terms or is no filter.
    """
    if len(text) > LONGEST_FILTER:
        raise FilterError(f"the filter must be at most {LONGEST_FILTER} characters, got {len(text)}", LONGEST_FILTER)
    if unreadable := _UNREADABLE.search(text):
        code = f"U+{ord(unreadable.group()):04X}"
        raise FilterError(f"the filter must not hold the control character {code}", unreadable.start())
    opened: list[int] = []
    try:
        reading = _PARSER.parse_interactive(text)
        n_terms = 0
        for token in reading.iter_parse():
            n_terms += _TERMS.get(token.type, 0)
            _check(token, n_terms, opened)
        tree: Expression = reading.feed_eof()  # type: ignore[no-untyped-call]
        return tree
    except UnexpectedInput as error:
        raise _syntax_error(text, error, opened) from None


def _check(token: Token, n_terms: int, opened: list[int]) -> None:
    """Keeps ``opened``, the positions of open parentheses, and the limits while ``token`` is read."""
    if n_terms > MOST_TERMS:
        raise FilterError(f"the filter must have at most {MOST_TERMS} comparisons and words", _start(token))
    if token.type == "FUNCTION":
        raise FilterError(f"functions are not supported: {shown(token)}", _start(token))
    if token.type == "_OPEN":
        opened.append(_start(token))
        if len(opened) > DEEPEST_NESTING:
            raise FilterError(f"parentheses must be nested at most {DEEPEST_NESTING} deep", _start(token))
    elif token.type == "_CLOSE" and opened:
        opened.pop()


def _syntax_error(text: str, error: UnexpectedInput, opened: list[int]) -> FilterError:
    at_end = isinstance(error, UnexpectedToken) and error.token.type == "$END"
    position = len(text) if at_end else (error.pos_in_stream or 0)
    hint = f"expected {_expected(error)}"
    if at_end and "_CLOSE" in _accepted(error):
        return FilterError("the parenthesis is not closed", opened[-1])
    if at_end:
        return FilterError("the filter ends too early", position, hint=hint)
    if text[position] in "\"'":
        closed = _CLOSED_STRING.match(text, position)
        if closed is None:
            return FilterError("the string is not closed", position)
        if closed.end() < len(text) and "_AND" not in _accepted(error):
            return FilterError("a string must be followed by a space", closed.end())
    if text[position] == ")" and not opened:
        return FilterError("no parenthesis is open that this one could close", position)
    found = _NEXT.match(text, position)
    return FilterError(f"unexpected {shown(found.group() if found else '')}", position, hint=hint)


def _accepted(error: UnexpectedInput) -> set[str]:
    """The kinds of token that could have come instead."""
    if isinstance(error, UnexpectedCharacters):
        return set(error.allowed or ())
    return set(error.expected) if isinstance(error, UnexpectedToken) else set()


def _expected(error: UnexpectedInput) -> str:
    accepted = _accepted(error)
    if "_AND" in accepted:
        return "AND, OR or another condition"
    return "a value" if "VALUE" in accepted else "a field or a word"


def _start(token: Token) -> int:
    return token.start_pos or 0
