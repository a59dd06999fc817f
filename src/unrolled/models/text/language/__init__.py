"""LanguageModel: its network, streams of text, training and scores; generated text and live streams."""
