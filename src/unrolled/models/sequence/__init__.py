"""SequenceClassifier, SequenceRegressor and SequenceTagger: base class, network, dataset, reservoir."""
