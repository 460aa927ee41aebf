from __future__ import annotations

import numpy as np
from sklearn.decomposition import PCA

from models.reports.projection import principal


def test_it_is_scikit_learns_up_to_signs() -> None:
    points = np.random.default_rng(0).standard_normal((40, 6)) * np.arange(1, 7)
    reference = PCA(2).fit(points)
    coordinates, shares = principal(points)
    assert np.allclose(np.abs(coordinates), np.abs(reference.transform(points)))
    assert np.allclose(shares, reference.explained_variance_ratio_)


def test_a_direction_points_where_its_largest_element_is_positive() -> None:
    points = np.array([[0.0, 0.0], [-1.0, -3.0], [1.0, 3.0]])
    assert np.allclose(principal(points)[0][:, 0], [0, -(10**0.5), 10**0.5])


def test_points_without_so_many_directions_have_zeros_there() -> None:
    coordinates, shares = principal(np.array([[1.0], [3.0]]))
    assert coordinates.tolist() == [[-1.0, 0.0], [1.0, 0.0]]
    assert shares.tolist() == [1.0, 0.0]
    assert principal(np.ones((4, 3)))[1].tolist() == [0.0, 0.0]
