"""RecTools' CandidateRankingModel on Parquet files. Runs in a venv of its own (tests/benchmarks/peers.txt).

    python rectools_two_stage.py FOLDER TASK… [--features]

FOLDER holds events.parquet (user, item, at, weight), owned.parquet (user, item) and users-TASK.parquet (user). Written:
lists-TASK.parquet (user, rank, item) and seconds.json. The model is the one of RecTools' own tutorial: candidates from
ALS, TF-IDF item-kNN and popularity, their scores and ranks as features, a LightGBM classifier trained on the last 28
days.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from time import perf_counter

import pandas as pd
from implicit.als import AlternatingLeastSquares
from implicit.nearest_neighbours import TFIDFRecommender
from lightgbm import LGBMClassifier
from rectools import Columns
from rectools.dataset import Dataset
from rectools.model_selection import TimeRangeSplitter
from rectools.models import ImplicitALSWrapperModel, ImplicitItemKNNWrapperModel, PopularModel
from rectools.models.ranking import (
    CandidateFeatureCollector,
    CandidateGenerator,
    CandidateRankingModel,
    PerUserNegativeSampler,
    Reranker,
)

N_CANDIDATES = 100
DEPTH = 100
CHUNK = 2_000
MISSING_RANK = 1_000.0


class HistoryFeatures(CandidateFeatureCollector):
    """Counts and recency of the pair, the item and the user, as anyone who knows of repeat purchases would add."""

    def _get_user_features(self, users, dataset, fold_info):  # type: ignore[no-untyped-def]
        rows = dataset.get_raw_interactions()
        return rows.groupby(Columns.User).agg(user_events=(Columns.Weight, "sum")).reset_index()

    def _get_item_features(self, items, dataset, fold_info):  # type: ignore[no-untyped-def]
        rows = dataset.get_raw_interactions()
        recent = rows[rows[Columns.Datetime] > rows[Columns.Datetime].max() - pd.Timedelta(28, "D")]
        ever = rows.groupby(Columns.Item).agg(item_events=(Columns.Weight, "sum"))
        ever["item_recent"] = recent.groupby(Columns.Item)[Columns.Weight].sum()
        return ever.fillna(0.0).reset_index()

    def _get_user_item_features(self, useritem, dataset, fold_info):  # type: ignore[no-untyped-def]
        rows = dataset.get_raw_interactions()
        pairs = rows.groupby(Columns.UserItem).agg(
            pair_events=(Columns.Weight, "sum"), last=(Columns.Datetime, "max"), first=(Columns.Datetime, "min")
        )
        now = rows[Columns.Datetime].max()
        pairs["pair_days"] = (now - pairs.pop("last")).dt.total_seconds() / 86_400
        pairs["pair_age_days"] = (now - pairs.pop("first")).dt.total_seconds() / 86_400
        return pairs.reset_index()


def model_of(*, filter_seen: bool, with_features: bool) -> CandidateRankingModel:
    """The two-stage model; ``filter_seen`` trains it on items new to the user."""
    generators = [
        ImplicitALSWrapperModel(AlternatingLeastSquares(factors=64, regularization=10.0, alpha=3.0, random_state=7)),
        ImplicitItemKNNWrapperModel(TFIDFRecommender(K=100)),
        PopularModel(),
    ]
    return CandidateRankingModel(
        candidate_generators=[
            CandidateGenerator(
                model,
                N_CANDIDATES,
                keep_ranks=True,
                keep_scores=True,
                scores_fillna_value=0.0,
                ranks_fillna_value=MISSING_RANK,
            )
            for model in generators
        ],
        splitter=TimeRangeSplitter("28D", n_splits=1, filter_already_seen=filter_seen),
        sampler=PerUserNegativeSampler(n_negatives=30, random_state=7),
        reranker=Reranker(LGBMClassifier(n_estimators=200, learning_rate=0.05, random_state=7, verbose=-1)),
        feature_collector=HistoryFeatures() if with_features else None,
    )


def main() -> int:
    """Write the files; 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("tasks", nargs="+", choices=("all", "novel"))
    parser.add_argument("--features", action="store_true")
    options = parser.parse_args()
    started = perf_counter()
    events = pd.read_parquet(options.folder / "events.parquet")
    owned = pd.read_parquet(options.folder / "owned.parquet")
    dataset = Dataset.construct(
        events.rename(
            columns={"user": Columns.User, "item": Columns.Item, "at": Columns.Datetime, "weight": Columns.Weight}
        )
    )
    known = set(events["user"])
    # Its filter takes every event for having; where some are only views, owned items are taken out afterwards.
    only_had = len(events[["user", "item"]].drop_duplicates()) <= len(owned)
    for task in options.tasks:
        only_new = task == "novel"
        filter_seen = only_new and only_had
        model = model_of(filter_seen=filter_seen, with_features=options.features)
        model.fit(dataset)
        users = [user for user in pd.read_parquet(options.folder / f"users-{task}.parquet")["user"] if user in known]
        parts = []
        for start in range(0, len(users), CHUNK):
            parts.append(
                model.recommend(users[start : start + CHUNK], dataset, k=3 * N_CANDIDATES, filter_viewed=filter_seen)
            )
        lists = pd.concat(parts) if parts else pd.DataFrame(columns=[*Columns.UserItem, Columns.Rank])
        lists = lists.rename(columns={Columns.User: "user", Columns.Item: "item", Columns.Rank: "rank"})
        lists = lists[["user", "rank", "item"]].astype("int64")
        if only_new:
            lists = lists.merge(owned, on=["user", "item"], how="left", indicator=True)
            lists = lists[lists["_merge"] == "left_only"].drop(columns="_merge").sort_values(["user", "rank"])
            lists["rank"] = lists.groupby("user").cumcount() + 1
        lists[lists["rank"] <= DEPTH].to_parquet(options.folder / f"lists-{task}.parquet", index=False)
    (options.folder / "seconds.json").write_text(json.dumps(perf_counter() - started))
    return 0


if __name__ == "__main__":
    sys.exit(main())
