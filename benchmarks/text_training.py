"""Training steps of the text estimators in tokens a second, beside the same networks on torch.nn.

A step is all of it: a batch looked up, forward, loss, backward, clipped gradients, AdamW. The rival has the
same network with its recurrent layers from torch.nn, sentences packed as torch wants them, torch's
cross-entropy and its fused AdamW; embedding, pooling and readout are the same code. First the outputs of both
must be equal. Texts are made of words drawn by Zipf's law, sentences of 3 to 37 words; their content does not
matter to the time.

    python -m benchmarks.text_training [--toy]
"""

import copy
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from benchmarks.record import Facts, main, print_now, table
from benchmarks.recurrent import THREADS, difference, limit_threads
from benchmarks.timing import in_process, in_turns
from unrolled.data.text.documents import as_documents
from unrolled.data.text.tokenizer import Tokenizer
from unrolled.data.text.vocabulary import Vocabulary
from unrolled.models.sequence.labels import weighted_cross_entropy
from unrolled.models.text.dataset import TextDataset
from unrolled.models.text.encoder import TokenEncoder
from unrolled.models.text.language.dataset import StreamDataset
from unrolled.models.text.language.network import LanguageNetwork, LanguageNetworkConfig
from unrolled.models.text.network import TextNetwork, TextNetworkConfig
from unrolled.train.optimizer import AdamW, ParameterGroup

TURN_S = 0.5
RATE, DECAY, CLIP = 1e-3, 0.01, 1.0
WORDS, LONGEST, CLASSES, TAGS, CHARACTERS = 5000, 37, 2, 17, 65
# name, cell, units, rows of a batch, whether every word has an answer; a language model reads 64 steps
SENTENCES = (
    ("TextClassifier", "gru", 128, 64, False),
    ("TextClassifier", "lstm", 128, 64, False),
    ("TextTagger", "gru", 160, 48, True),
    ("TextTagger", "lstm", 160, 48, True),
)
STREAMS = (("lstm", 384, 16), ("gru", 384, 16), ("lstm", 512, 16))
STEPS = 64


class Packed(nn.Module):
    """Layer of torch.nn, batch first, called as ours is."""

    def __init__(self, layer: nn.RNNBase) -> None:
        super().__init__()
        self.layer = layer
        self.has_vjp = False

    def forward(self, values: Tensor, *, lengths: Tensor) -> tuple[Tensor, Any]:
        """Run a batch packed, and pad its output."""
        packed = pack_padded_sequence(values, lengths, batch_first=True, enforce_sorted=False)
        output, final = self.layer(packed)
        return pad_packed_sequence(output, batch_first=True, total_length=values.shape[1])[0], final


def run(toy: bool) -> Facts:
    limit_threads(toy=toy)
    rows = [_sentences(*each, toy=toy) for each in (SENTENCES[:1] if toy else SENTENCES)]
    rows += [_streams(*each, toy=toy) for each in (STREAMS[:1] if toy else STREAMS)]
    print_now(table(rows))
    return {"threads": THREADS, "measure": "tokens a second of whole training steps", "rows": rows}


def _sentences(name: str, cell: str, units: int, batch_size: int, per_step: bool, *, toy: bool) -> Facts:
    """Time steps of a network on sentences."""
    units = 4 if toy else units
    dataset, encoder = _texts(8 * batch_size, per_step=per_step)
    config = TextNetworkConfig(
        n_words=len(encoder.vocabulary), n_buckets=encoder.n_buckets, hidden_size=units, cell=cell,
        bidirectional=True, per_step=per_step, output_size=TAGS if per_step else CLASSES,
        pooling="last+mean+max", dropout=0.3,
    )  # fmt: skip
    torch.manual_seed(0)
    ours = TextNetwork(config)
    theirs = copy.deepcopy(ours)
    kind = {"gru": nn.GRU, "lstm": nn.LSTM}[cell]
    layer = kind(config.width, units, batch_first=True, bidirectional=True)
    layer.load_state_dict(ours.body.core.state_dict())
    theirs.body.core = cast(Any, Packed(layer))
    batches = dataset.sequences.lengths.argsort().split(batch_size)
    _require_equal_texts(ours, theirs, dataset, batches[3])
    criterion = weighted_cross_entropy(np.ones(config.output_size), 1.0, "cpu")
    optimizer, their_optimizer = _adamw(ours), _torch_adamw(theirs)

    def our_step(rows: Tensor) -> None:
        loss = ours.loss(dataset.batch(rows), criterion)
        optimizer.zero_grad(set_to_none=False)
        assert loss.backward is not None
        loss.backward()
        optimizer.step()

    def their_step(rows: Tensor) -> None:
        batch = dataset.batch(rows)
        outputs = theirs(batch.tokens, batch.sequences.lengths)
        loss = F.cross_entropy(outputs.flatten(0, -2), batch.sequences.targets.flatten(), ignore_index=-1)
        _torch_update(theirs, their_optimizer, loss)

    label = f"{name}, {cell.upper()} 2 × {units}"
    tokens = int(dataset.sequences.lengths.sum())
    return _timed(
        label, tokens, lambda: list(map(our_step, batches)), lambda: list(map(their_step, batches)), toy=toy
    )


def _streams(cell: str, units: int, n_streams: int, *, toy: bool) -> Facts:
    """Time steps of a language model on streams of characters."""
    units = 4 if toy else units
    config = LanguageNetworkConfig(
        n_tokens=CHARACTERS, embedding_size=64, tied_weights=False, cell=cell, hidden_size=units, dropout=0.2
    )
    torch.manual_seed(0)
    ours = LanguageNetwork(config)
    theirs = copy.deepcopy(ours)
    layer = {"gru": nn.GRU, "lstm": nn.LSTM}[cell](64, units)
    layer.load_state_dict(ours.layers[0].state_dict())
    theirs.layers[0] = _TimeMajor(layer)
    text = torch.randint(2, CHARACTERS, (STEPS * n_streams + 1,))
    batch = StreamDataset(text, n_streams=n_streams, window=STEPS, is_training=False).batch(torch.arange(1))
    with torch.no_grad():
        outputs = {"output": ours.eval()(batch.tokens)[0].numpy()}
        difference(cell, outputs, {"output": theirs.eval()(batch.tokens)[0].numpy()})
    ours.train()
    theirs.train()
    optimizer, their_optimizer = _adamw(ours), _torch_adamw(theirs)

    def our_step() -> None:
        loss = ours.loss(batch, None)
        optimizer.zero_grad()
        assert loss.backward is not None
        loss.backward()
        optimizer.step()

    def their_step() -> None:
        features = theirs(batch.tokens)[0].flatten(0, 1)
        loss = F.cross_entropy(F.linear(features, *theirs.readout), batch.targets.flatten())
        _torch_update(theirs, their_optimizer, loss)

    name = f"LanguageModel, {cell.upper()} {units}"
    return _timed(name, STEPS * n_streams, our_step, their_step, toy=toy)


class _TimeMajor(nn.Module):
    """Layer of torch.nn, called as ours is."""

    def __init__(self, layer: nn.RNNBase) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, values: Tensor, state: Any, *, resets: None) -> tuple[Tensor, Any]:
        """Run a batch without resets."""
        assert resets is None
        return self.layer(values, state)


def _timed(name: str, tokens: int, ours: Callable[[], Any], theirs: Callable[[], Any], *, toy: bool) -> Facts:
    """Time both sides in turns; a call reads so many tokens."""
    sides = {"ours": in_process(ours), "torch": in_process(theirs)}
    timings, measured = in_turns(sides, toy=toy, turn_s=TURN_S)
    return {
        "network": name,
        "ours_tokens_s": round(1000 * tokens / timings["ours"].ms),
        "torch_tokens_s": round(1000 * tokens / timings["torch"].ms),
        "ratio": timings["torch"].times,
        "quartiles": timings["torch"].quartiles,
        "measured": measured,
    }


def _texts(n: int, *, per_step: bool) -> tuple[TextDataset, TokenEncoder]:
    """Make N sentences of words drawn by Zipf's law, with random targets."""
    rng = np.random.default_rng(0)
    shares = 1 / np.arange(1, WORDS + 1)
    words = np.array(["".join(rng.choice([*"etaoinshrdlu"], size=rng.integers(1, 10))) for _ in range(WORDS)])
    lengths = rng.integers(3, LONGEST + 1, size=n)
    sentences = [rng.choice(words, size=length, p=shares / shares.sum()).tolist() for length in lengths]
    data = as_documents(sentences, Tokenizer("word")).sequences
    encoder = TokenEncoder(Vocabulary.learn(data, min_count=2, lowercase=True), n_buckets=16_384)
    targets = torch.from_numpy(
        rng.integers(0, TAGS if per_step else CLASSES, len(data.values) if per_step else n)
    )
    return TextDataset.from_sequences(data, encoder, targets, per_step=per_step), encoder


@torch.no_grad()
def _require_equal_texts(ours: TextNetwork, theirs: TextNetwork, dataset: TextDataset, rows: Tensor) -> None:
    """Pass if both networks have the same outputs for a batch."""
    batch = dataset.batch(rows)
    outputs = [each.eval()(batch.tokens, batch.sequences.lengths).numpy() for each in (ours, theirs)]
    difference("text network", {"output": outputs[0]}, {"output": outputs[1]})
    ours.train()
    theirs.train()


def _adamw(network: nn.Module) -> AdamW:
    group = ParameterGroup(list(network.parameters()))
    return AdamW([group], learning_rate=RATE, weight_decay=DECAY, clip_norm=CLIP)


def _torch_adamw(network: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY, fused=True)


def _torch_update(network: nn.Module, optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    """Take the lines that everyone writes after a loss."""
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(network.parameters(), CLIP)
    optimizer.step()


if __name__ == "__main__":
    main(run)
