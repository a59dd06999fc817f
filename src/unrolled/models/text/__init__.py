"""Text models: TextClassifier, TextTagger and what they are made of; `language` and `translation`."""
