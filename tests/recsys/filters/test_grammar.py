"""What is a filter and what is none: trees, precedence, and the place of every mistake."""

from __future__ import annotations

import pytest

from recsys.errors import FilterError
from recsys.filters.expressions import And, Comparison, Expression, Not, Or, Value, Word
from recsys.filters.grammar import parse


def shape(tree: Expression) -> str:
    """The tree in one line, every group in brackets, wildcards as they were written."""
    match tree:
        case And(parts):
            return "[" + " & ".join(map(shape, parts)) + "]"
        case Or(parts):
            return "[" + " | ".join(map(shape, parts)) + "]"
        case Not(part):
            return "!" + shape(part)
        case Word(value):
            return text_of(value)
        case Comparison(field, comparator, value):
            return f"{field}{comparator}{text_of(value)}"


def text_of(value: Value) -> str:
    text = "*" if value.is_anything else "*" * value.any_before + value.text + "*" * value.any_after
    return f"«{text}»" if value.quoted else text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "[]"),
        (" \t\r\n ", "[]"),
        ("milk", "milk"),
        ("whole milk", "[whole & milk]"),
        ("a AND b", "[a & b]"),
        ("a OR b OR c", "[a | b | c]"),
        ("a AND b OR c", "[a & [b | c]]"),
        ("a OR b AND c OR d", "[[a | b] & [c | d]]"),
        ("a b AND c OR d", "[a & b & [c | d]]"),
        ("a b OR c d", "[a & [b | c] & d]"),
        ("(a AND b) OR c", "[[a & b] | c]"),
        ("((a))", "a"),
        ("NOT a", "!a"),
        ("-a", "!a"),
        ("NOT a OR b", "[!a | b]"),
        ("NOT a AND -b", "[!a & !b]"),
        ("NOT (a OR b)", "![a | b]"),
        ("NOT(a)AND(b)", "[!a & b]"),
        ("a -b", "[a & !b]"),
        ("low-fat", "low-fat"),
        ("-price < 3", "!price<3"),
        ("ANDROID OR ORANGE NOTE", "[[ANDROID | ORANGE] & NOTE]"),
        ("and or not", "[and & or & not]"),
        ("AND-1", "AND-1"),
        ('"AND"', "«AND»"),
        ("price<20", "price<20"),
        ("price <= 2.5", "price<=2.5"),
        ("price >= -.5e3", "price>=-.5e3"),
        ("price > 1 price != 3", "[price>1 & price!=3]"),
        ("in_stock = true", "in_stock=true"),
        ('category:"Dairy"', "category:«Dairy»"),
        ("brand:*", "brand:*"),
        ('brand = "*"', "brand=«*»"),
        ("brand = Acme*", "brand=Acme*"),
        ("brand = *Acme", "brand=*Acme"),
        ('brand = "*A b*"', "brand=«*A b*»"),
        (r'brand = "\*A\""', 'brand=«*A"»'),
        (r"brand = 'it\'s \\ \"x\"'", 'brand=«it\'s \\ "x"»'),
        ('brand = "it\'s"', "brand=«it's»"),
        ("title = 2.5.1", "title=2.5.1"),
        ("attributes.color = red", "attributes.color=red"),
        ('attributes."shelf life".x:1', "attributes.shelf life.x:1"),
        ('"price" < 3', "price<3"),
        ("t > 2024-05-31", "t>2024-05-31"),
        ("t > 2024-05-31T10:00:00.5+08:00 b", "[t>2024-05-31T10:00:00.5+08:00 & b]"),
        ("t > 2024-05-31T10:00:00Z", "t>2024-05-31T10:00:00Z"),
        ("brand = (A OR B)", "[brand=A | brand=B]"),
        ("brand:(a AND b OR -c)", "[brand:a & [brand:b | !brand:c]]"),
        ("brand:(a b) c d:e f", "[[brand:a & brand:b] & c & d:e & f]"),
        ("price = (2.5 3.5 (4.5 -5.5)) 2.5", "[[price=2.5 & price=3.5 & [price=4.5 & price=-5.5]] & 2.5]"),
        ("brand = (*a b*) *c* d", "[[brand=*a & brand=b*] & *c* & d]"),
        ("brand != (A OR B)", "![brand=A | brand=B]"),
        ("brand != (A)", "brand!=A"),
        ("price = (-5 OR NOT 5)", "[price=-5 | !price=5]"),
        ("牛奶 AND 品牌:蒙牛 🥛", "[牛奶 & 品牌:蒙牛 & 🥛]"),
        ("牛奶\u3000蒙牛\u00a0AND\u00a0price\u3000< 3", "[牛奶 & 蒙牛 & price<3]"),
        ("50% a&b c/d", "[50% & a&b & c/d]"),
    ],
)
def test_a_filter_is_read_as_the_tree_it_means(text: str, expected: str) -> None:
    assert shape(parse(text)) == expected


@pytest.mark.parametrize(
    ("text", "position", "problem"),
    [
        ("AND a", 0, 'unexpected "AND" at position 0; expected a field or a word'),
        ("a AND", 5, "the filter ends too early at position 5; expected a field or a word"),
        ("a OR OR b", 5, 'unexpected "OR"'),
        ("a AND OR b", 6, 'unexpected "OR"'),
        ("NOT", 3, "ends too early"),
        ("NOT NOT a", 4, 'unexpected "NOT"'),
        ("--a", 1, 'unexpected "-"'),
        ("price <", 7, "the filter ends too early at position 7; expected a value"),
        ("price < AND", 8, 'unexpected "AND" at position 8; expected a value'),
        ("price < < 3", 8, 'unexpected "<"'),
        ("1 < price < 3", 10, 'unexpected "<" at position 10; expected AND, OR or another condition'),
        ("= 3", 0, 'unexpected "="'),
        ("a == 3", 3, 'unexpected "="'),
        ("a ! b", 2, 'unexpected "!"'),
        ("a && b)", 6, "no parenthesis is open that this one could close"),
        ("(a", 0, "the parenthesis is not closed"),
        ("a ((b) c", 2, "the parenthesis is not closed"),
        ("brand = (a", 8, "the parenthesis is not closed"),
        ("(a AND", 6, "ends too early"),
        ("a)", 1, "no parenthesis is open"),
        ("()", 1, 'unexpected ")"'),
        ("(a OR )", 6, 'unexpected ")"'),
        ('"abc', 0, "the string is not closed"),
        ('title:"abc', 6, "the string is not closed"),
        ("brand = l'oreal", 9, "the string is not closed"),
        (r'title:"abc\"', 6, "the string is not closed"),
        ('x = "a""b"', 7, "a string must be followed by a space"),
        ('("a"b)', 4, "a string must be followed by a space"),
        ("price < max(3)", 8, 'functions are not supported: "max"'),
        ("geo.near(3) a", 0, 'functions are not supported: "geo.near"'),
        ("a.", 1, 'unexpected "."'),
        ("a..b", 1, 'unexpected "."'),
        ("a, b", 1, 'unexpected ","'),
        (r'a = "x\q"', 6, r'unknown escape "\q"'),
        (r"a\b", 1, 'unexpected "\\"'),
        ('a = "b*c"', 6, "a * stands for anything only at the start or the end"),
        ("b*c", 1, "a * stands for anything"),
        ("🥛🥛 < 3 =", 7, 'unexpected "="'),
        ("牛奶\x00", 2, "the filter must not hold the control character U+0000"),
        ('"a\x1b"', 2, "U+001B"),
        ("a \ud83e", 2, "U+D83E"),
    ],
)
def test_a_mistake_is_named_with_its_place(text: str, position: int, problem: str) -> None:
    with pytest.raises(FilterError) as refused:
        parse(text)

    assert refused.value.position == position
    assert f" at position {position}" in str(refused.value)
    assert problem in str(refused.value)


def test_positions_are_those_of_fields_and_values() -> None:
    tree = parse(' 牛奶 AND ("price" < "3")')

    assert tree == And(
        (
            Word(Value("牛奶", 1)),
            Comparison("price", "<", Value("3", 19, quoted=True), 9),
        )
    )
