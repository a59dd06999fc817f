"""Records of the reports: classes in order, a confusion matrix, a horizon."""

import numpy as np

from unrolled.report.records import Forecast, LabelledData, LabelPredictions, SeriesForecast, label_sort_key


def test_classes_are_sorted_by_number_then_by_word() -> None:
    """10 comes after 9, and words after numbers."""
    labels = np.array(["10", "b", "9", "a", "9"])
    data = LabelledData("x.csv", [np.ones((2, 1))] * 5, labels, ["y"])
    assert data.classes == ["9", "10", "a", "b"]
    assert label_sort_key("-1") < label_sort_key("0") < label_sort_key("x")


def test_confusion_counts_rows_of_truth_and_columns_of_prediction() -> None:
    """A class that is only predicted has its row too."""
    predictions = LabelPredictions(np.array(["a", "b", "b"]), np.array(["b", "b", "c"]))
    assert predictions.classes == ["a", "b", "c"]
    assert predictions.counts.tolist() == [[0, 1, 0], [0, 1, 1], [0, 0, 0]]


def test_the_horizon_is_the_length_of_the_forecast() -> None:
    """Steps ahead."""
    one = SeriesForecast("a", np.arange(3), np.arange(3.0), np.arange(3, 5), np.array([3.0, 4.0]))
    assert Forecast("gru", (one,)).horizon == 2
