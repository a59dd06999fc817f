"""Text models: TextClassifier and TextTagger, their embedding, network and dataset; `translation`."""
