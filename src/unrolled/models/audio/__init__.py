"""AudioClassifier: recordings to classes; normalisation, augmentation, dataset."""
