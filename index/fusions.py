"""Fits the fusions that are no forest: weights of sources' scores and ranks, by logistic regression."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from index.frames import Frame
from recsys.fusion import LinearFusion, columns_of, of_source

# Beside what the sources say: what an unpersonalised item and the user's own record tell.
ALSO = ("own_due", "own_count_4w", "item_users_1w", "item_users_4w", "item_first_chance_8w", "item_trend")
STRENGTH = 0.3


def fit_linear(sample: Frame, feature_names: Sequence[str]) -> LinearFusion:
    """Weights that tell positives from negatives among ``sample``'s candidates.

    Inputs are few and strongly shrunk: this is what is left to trust where there is too little for a forest.
    """
    from sklearn.linear_model import LogisticRegression

    names = tuple(n for n in feature_names if of_source(n) or n in ALSO)
    columns = columns_of(names, feature_names)
    values = sample.features[:, list(columns)].astype(np.float64)
    known = np.isfinite(values)
    count = np.maximum(known.sum(axis=0), 1)
    filled = np.where(known, values, 0.0)
    centres = filled.sum(axis=0) / count
    spread = np.sqrt(np.where(known, (values - centres) ** 2, 0.0).sum(axis=0) / count)
    scales = np.where(spread > 1e-9, spread, 1.0)
    plain = LinearFusion(names, tuple(centres.tolist()), tuple(scales.tolist()), (0.0,) * len(names))
    inputs = plain.inputs(sample.features, columns)
    model = LogisticRegression(C=STRENGTH, max_iter=300).fit(inputs, sample.labels)
    return LinearFusion(names, plain.centres, plain.scales, tuple(model.coef_[0].tolist()))
