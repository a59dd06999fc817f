"""Language model: LanguageModel, its network, training, scores, live streams and generated texts."""
