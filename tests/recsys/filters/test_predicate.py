"""What filters mean, field by field, on a shop of six items; what does not fit a field is refused with its place."""

from __future__ import annotations

import numpy as np
import pytest

from recsys.arrays import frozen
from recsys.catalogue import Catalogue
from recsys.errors import FilterError
from recsys.filters.catalogue_columns import columns_of
from recsys.filters.columns import Booleans, Columns, Numbers, TextLists, Texts
from recsys.filters.predicate import compile_filter
from recsys.ids import IdMap
from recsys.text_column import TextColumn

NEW_YEAR = 1_704_067_200  # 2024-01-01T00:00:00Z

CATALOGUE = Catalogue(
    items=IdMap.of("012345"),
    titles=TextColumn.of(["Whole Milk 1L", "Oat milk", "Milkshake, almond-milk", "全脂牛奶 1L", "Crème brûlée", ""]),
    categories=TextColumn.of(["Food > Dairy > Milk", "Food > Vegan", "Food > Dairy", "food > dairy", "Dairy", ""]),
    brands=TextColumn.of(["Acme", "Oatly", "acme", "蒙牛", "Acme Deluxe", ""]),
    prices=frozen([2.99, 3.5, np.nan, 20, 0, 1e30], np.float32),
    in_stock=frozen([1, 0, 1, 1, 0, 1], np.bool_),
    created_at=frozen([NEW_YEAR, NEW_YEAR + 1, 0, NEW_YEAR - 1, -5, 2 * NEW_YEAR], np.int64),
    codes={},
)
TAGS = TextLists.of([["organic", "gluten free"], [], ["Organic"], ["x", "", "y"], [""], ["free"]])
STRENGTH = Numbers(np.array([1, 2, 3, 4, 5, np.nan]))
COLUMNS = columns_of(CATALOGUE, {"tags": TAGS, "strength": STRENGTH})


def found(text: str) -> list[int]:
    mask = compile_filter(text, COLUMNS.schema).mask(COLUMNS)
    assert mask.dtype == np.bool_
    assert mask.shape == (6,)
    return [int(number) for number in np.flatnonzero(mask)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [0, 1, 2, 3, 4, 5]),
        # Numbers, in the type of the column.
        ("price = 2.99", [0]),
        ("price:2.99", [0]),
        ("price < 2.99", [4]),
        ("price <= 2.99", [0, 4]),
        ("price > 3.5", [3, 5]),
        ('price >= "3.5"', [1, 3, 5]),
        ("price < -0", []),
        ("price < 1e39 AND price > 1e29", [5]),
        ("price < 1e999", [0, 1, 3, 4, 5]),
        ("price:*", [0, 1, 3, 4, 5]),
        ("attributes.strength > 4.5", [4]),
        # What is missing satisfies nothing but a negation.
        ("price != 2.99", [1, 2, 3, 4, 5]),
        ("NOT price = 2.99", [1, 2, 3, 4, 5]),
        ("NOT price < 1e38", [2]),
        ("NOT price:*", [2]),
        ("-brand:*", [5]),
        ('brand != "Acme"', [1, 2, 3, 4, 5]),
        ("-created_at:*", [2]),
        ('category != "Dairy"', [0, 1, 2, 3, 5]),
        # Text: equality and order keep case, wildcards loosen an end.
        ('brand = "Acme"', [0]),
        ("brand = Acme*", [0, 4]),
        ('brand = "*me"', [0, 2]),
        ('brand = "*e D*"', [4]),
        (r'brand = "Acme\*"', []),
        ("brand = *", [0, 1, 2, 3, 4]),
        ('brand < "Acme"', []),
        ('brand <= "Acme"', [0]),
        ('brand > "Acme"', [1, 2, 3, 4]),
        ('brand >= "B"', [1, 2, 3]),
        # Text: has is whole words, whatever the case.
        ("title:milk", [0, 1, 2]),
        ('title:"WHOLE milk"', [0]),
        ('title:"milk whole"', []),
        ("title:mil", []),
        ("title:milk*", [0, 1, 2]),
        ("title:mil*", [0, 1, 2]),
        ("title:*ilk", [0, 1, 2]),
        ("title:*lk*", [0, 1, 2]),
        ("title:shake", []),
        ("title:*shake", [2]),
        ("title:brûl", []),
        ("title:brûl*", [4]),
        ("title:ème", []),
        ("title:CRÈME", [4]),
        ("title:牛奶", [3]),
        ('title:"-"', [2]),
        ("title:1l", [0, 3]),
        # A path: any level, any path from the top.
        ("category:dairy", [0, 2, 3, 4]),
        ('category:"Food > Dairy"', [0, 2, 3]),
        ('category:"food>dairy>milk"', [0]),
        ('category:"Dairy > Milk"', []),
        ("category:Food", [0, 1, 2, 3]),
        ("category:d*", [0, 2, 3, 4]),
        ('category:"Food > D*"', [0, 2, 3]),
        ("category:*", [0, 1, 2, 3, 4]),
        ("category = Dairy", [4]),
        ('category = "Food > *"', [0, 1, 2]),
        # A list: any whole entry, whatever the case.
        ("attributes.tags:organic", [0, 2]),
        ('attributes.tags:"Gluten Free"', [0]),
        ("attributes.tags:free", [5]),
        ("attributes.tags:*free", [0, 5]),
        ("attributes.tags:*", [0, 2, 3, 5]),
        # Truth and times.
        ("in_stock = true", [0, 2, 3, 5]),
        ("in_stock:false", [1, 4]),
        ("in_stock != true", [1, 4]),
        ("in_stock:*", [0, 1, 2, 3, 4, 5]),
        ("created_at = 2024-01-01", [0]),
        ('created_at >= "2024-01-01T00:00:00Z"', [0, 1, 5]),
        ("created_at > 2024-01-01T08:00:00+08:00", [1, 5]),
        ("created_at < 2024-01-01T00:00:00", [3, 4]),
        ("created_at <= 2024-01-01T00:00:00.5Z", [0, 3, 4]),
        ("created_at < 2024-01-01T00:00:00.5Z", [0, 3, 4]),
        ("created_at > 2024-01-01T00:00:00.5Z", [1, 5]),
        ("created_at >= 2024-01-01T00:00:00.5Z", [1, 5]),
        ("created_at = 2024-01-01T00:00:00.5Z", []),
        ("created_at < 1970-01-01", [4]),
        ("created_at = 1970-01-01", []),
        # Words without a field.
        ("acme", [0, 2, 4]),
        ("dairy", [0, 2, 3, 4]),
        ("milk acme", [0, 2]),
        ('"price"', []),
        ("oatly OR 蒙牛", [1, 3]),
        # Together.
        ('price < 20 AND category:"Dairy" AND NOT brand = "X"', [0, 4]),
        ("in_stock = true AND price < 3 OR price > 19", [0, 3, 5]),
        ("brand = (Acme OR Oatly)", [0, 1]),
        ("brand != (Acme OR Oatly)", [2, 3, 4, 5]),
        ("title:(milk -oat)", [0, 2]),
    ],
)
def test_a_filter_finds_what_it_says(text: str, expected: list[int]) -> None:
    assert found(text) == expected


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        (
            "a OR prcie < 3",
            5,
            'unknown field "prcie" at position 5; there are attributes.strength, attributes.tags, brand, category, '
            "created_at, in_stock, price, title",
        ),
        ("attributes.colour:red", 0, 'unknown field "attributes.colour" at position 0'),
        ("Price < 3", 0, 'unknown field "Price"'),
        ('price = "abc"', 8, 'price must be compared with a number, such as 2.99, got "abc" at position 8'),
        ("price = 20s", 8, 'got "20s"'),
        ("price = nan", 8, 'got "nan"'),
        ("price < *", 8, 'got "*"'),
        ("price:2*", 6, 'got "2*"'),
        ("price = 1_0", 8, 'got "1_0"'),
        ("price = ٣", 8, 'got "٣"'),
        ("title < 3", 8, "title is text and < wants it in quotes at position 8"),
        ('title < "3*"', 8, "< takes no * at position 8"),
        ('NOT brand = ""', 12, "nothing equals an empty text at position 12; NOT brand:* finds where it is missing"),
        ("in_stock = 1", 11, 'in_stock must be compared with true or false, got "1"'),
        ("in_stock = TRUE", 11, 'got "TRUE"'),
        ("in_stock > false", 0, "in_stock is true or false: only =, != and : compare it"),
        ("category < Dairy", 0, "category is a path: only =, != and : compare it"),
        ("attributes.tags = organic", 0, "attributes.tags is a list of text: only : compares it"),
        ("attributes.tags != organic", 0, "attributes.tags is a list of text"),
        ("created_at > yesterday", 13, "created_at must be compared with a time, such as 2024-05-31T12:00:00Z"),
        ("created_at > 2024-02-30", 13, "a time that exists"),
        ("created_at > 2024-01-01T00:00:00+99:00", 13, "a time that exists"),
        ("created_at > 1700000000", 13, "a time, such as"),
        ("created_at > 2024-W01-1", 13, "a time, such as"),
        ("milk in_stock", 5, "in_stock is a field at position 5; compare it"),
    ],
)
def test_what_does_not_fit_a_field_is_refused_with_its_place(text: str, position: int, message: str) -> None:
    with pytest.raises(FilterError) as refused:
        compile_filter(text, COLUMNS.schema)

    assert refused.value.position == position
    assert message in str(refused.value)


def test_many_fields_are_counted_rather_than_listed() -> None:
    columns = Columns(1, {f"f{number:02d}": Booleans(np.ones(1, np.bool_)) for number in range(20)})

    with pytest.raises(FilterError, match=r"there are f00, f01, .*, f11 and 8 more$"):
        compile_filter("x = true", columns.schema)


def test_a_word_needs_a_field_where_none_is_searched() -> None:
    with pytest.raises(FilterError, match='"milk" needs a field to be compared with at position 0'):
        compile_filter("milk", Columns(6, {"price": COLUMNS.by_name["price"]}).schema)


def test_a_predicate_serves_other_columns_of_its_schema() -> None:
    predicate = compile_filter("title:bread", Columns(0, {"title": Texts(TextColumn.of([]))}).schema)

    assert predicate.mask(Columns(0, {"title": Texts(TextColumn.of([]))})).tolist() == []
    assert predicate.mask(Columns(2, {"title": Texts(TextColumn.of(["Bread", "Milk"]))})).tolist() == [True, False]


@pytest.mark.parametrize("text", ["", "in_stock = true", "price:*", "brand:*", "NOT brand = Acme", "attributes.tags:x"])
def test_a_mask_is_the_callers_own(text: str) -> None:
    predicate = compile_filter(text, COLUMNS.schema)
    before = predicate.mask(COLUMNS)
    changed = predicate.mask(COLUMNS)
    changed ^= True

    assert predicate.mask(COLUMNS).tolist() == before.tolist()


def test_columns_of_other_lengths_and_searched_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="column 'x' must have 6 rows, got 1"):
        Columns(6, {"x": Booleans(np.ones(1, np.bool_))})
    with pytest.raises(ValueError, match="searched column 'price' must be text, got a number"):
        Columns(6, {"price": COLUMNS.by_name["price"]}, searched=("price",))


def test_a_catalogue_of_ids_alone_can_be_filtered() -> None:
    bare = Catalogue(
        items=IdMap.of("ab"),
        titles=TextColumn.of(["", ""]),
        categories=TextColumn.of(["", ""]),
        brands=TextColumn.of(["", ""]),
        prices=frozen([np.nan, np.nan], np.float32),
        in_stock=frozen([1, 1], np.bool_),
        created_at=frozen([0, 0], np.int64),
        codes={},
    )
    columns = columns_of(bare)

    for text in ("milk", "category:a", "brand = a*", 'title > "a"', "price < 3", "created_at > 1970-01-01"):
        assert compile_filter(text, columns.schema).mask(columns).tolist() == [False, False], text
    assert compile_filter("in_stock = true", columns.schema).mask(columns).tolist() == [True, True]
