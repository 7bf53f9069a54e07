"""The tokenizers of the tiny models, and what a model that thinks says after each token."""

from __future__ import annotations

import math
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

RESOURCES = Path(__file__).resolve().parents[2] / "resources"
TEXTS = ("instruments/moral30.yaml", "personas/everyday100.yaml")
END = "<|end|>"
BEGIN, CLOSE, ASSISTANT = "<think>", "</think>", "<|assistant|>"
TEMPLATE = (
    "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)
THINKING_TEMPLATE = TEMPLATE.replace("assistant:", ASSISTANT)
VOCABULARY = 1000
SPACE = "Ġ"  # as byte-level tokens spell it: a rating stands in the vocabulary with and without
RATINGS = [str(rating) for rating in range(6)]
LENGTH = 20  # tokens of the thoughts, on average
# What the last token says about where the reply is.
STATES = ASKED, OPENED, THINKING, CLOSED, DONE = range(5)
NEVER = -30.0


def make_tokenizer() -> PreTrainedTokenizerFast:
    """Return a byte-level BPE that has learned the project's own texts, with a chat template."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train([str(RESOURCES / text) for text in TEXTS], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=END, eos_token=END, chat_template=TEMPLATE
    )


def make_thinking_tokenizer() -> PreTrainedTokenizerFast:
    """Return the same tokenizer with tokens of thought, which are shown as text."""
    tokenizer = make_tokenizer()
    tokenizer.chat_template = THINKING_TEMPLATE
    tokenizer.add_tokens(
        [AddedToken(token, special=False, normalized=False) for token in (BEGIN, CLOSE, ASSISTANT)]
    )
    return tokenizer


def favoured(tokenizer: PreTrainedTokenizerFast) -> list[int]:
    """Return the tokens that are ratings."""
    return [i for token, i in tokenizer.get_vocab().items() if token.lstrip(SPACE) in RATINGS]


def halves(tokenizer: PreTrainedTokenizerFast) -> list[int]:
    """Return the tokens that are a part of a character."""
    return [i for i in range(len(tokenizer)) if "\ufffd" in tokenizer.decode([i])]


def thoughts(tokenizer: PreTrainedTokenizerFast) -> tuple[list[int], list[list[float]]]:
    """Return each token's state, and the log odds of each token after each state.

    After the prompt the model opens its thoughts, thinks in words and numbers for some twenty
    tokens, closes them, and gives a rating.
    """
    vocabulary, broken = tokenizer.get_vocab(), set(halves(tokenizer))
    states = [THINKING] * len(tokenizer)
    logs = [[NEVER] * len(STATES) for _ in states]
    words = [i for token, i in vocabulary.items() if token.startswith(SPACE) and i not in broken]
    for word in words:
        logs[word][OPENED] = logs[word][THINKING] = 0.0
    logs[vocabulary[CLOSE]][THINKING] = math.log(len(words) / LENGTH)
    logs[vocabulary[BEGIN]][ASKED] = 0.0
    for rating in RATINGS:
        logs[vocabulary[rating]][CLOSED] = 0.0
    logs[vocabulary[END]][DONE] = 0.0
    marks = {ASSISTANT: ASKED, BEGIN: OPENED, CLOSE: CLOSED, **dict.fromkeys(RATINGS, DONE)}
    for token, state in marks.items():
        states[vocabulary[token]] = state
    return states, logs
