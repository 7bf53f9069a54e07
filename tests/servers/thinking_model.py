"""Make a tiny chat model that thinks, for two servers: ``python thinking_model.py FOLDER``.

Runs in the servers' own environment. The model is a Markov chain in the form of a GPT-2: its layer
does nothing, so that the last token alone decides the next one. After the prompt it opens its
thoughts, thinks in words and numbers for some twenty tokens, closes them, and gives a rating.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from tiny_model import CONTEXT, END, HEADS, RATINGS, SPACE, WIDTH, make_tokenizer, write_gguf
from tokenizers import AddedToken
from transformers import GenerationConfig, GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

BEGIN, CLOSE, ASSISTANT = "<think>", "</think>", "<|assistant|>"
TEMPLATE = (
    "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
LENGTH = 20  # tokens of the thoughts, on average
# What the last token says about where the reply is.
STATES = ASKED, OPENED, THINKING, CLOSED, DONE = range(5)
NEVER = -30.0


def make_thinking_tokenizer() -> PreTrainedTokenizerFast:
    """Return the tiny model's tokenizer with tokens of thought, which are shown as text."""
    tokenizer = make_tokenizer()
    tokenizer.chat_template = TEMPLATE
    tokenizer.add_tokens(
        [AddedToken(token, special=False, normalized=False) for token in (BEGIN, CLOSE, ASSISTANT)]
    )
    return tokenizer


def odds(tokenizer: PreTrainedTokenizerFast) -> tuple[list[int], torch.Tensor]:
    """Return each token's state, and the log odds of each token after each state."""
    vocabulary = tokenizer.get_vocab()
    size = len(tokenizer)
    states, logs = [THINKING] * size, torch.full((size, len(STATES)), NEVER)
    words = [
        place
        for token, place in vocabulary.items()
        if token.startswith(SPACE) and "\ufffd" not in tokenizer.decode([place])
    ]
    logs[words, OPENED] = logs[words, THINKING] = 0.0
    logs[vocabulary[CLOSE], THINKING] = torch.log(torch.tensor(len(words) / LENGTH)).item()
    logs[vocabulary[BEGIN], ASKED] = 0.0
    logs[[vocabulary[rating] for rating in RATINGS], CLOSED] = 0.0
    logs[vocabulary[END], DONE] = 0.0
    marks = {ASSISTANT: ASKED, BEGIN: OPENED, CLOSE: CLOSED, **dict.fromkeys(RATINGS, DONE)}
    for token, state in marks.items():
        states[vocabulary[token]] = state
    return states, logs


def make_model(tokenizer: PreTrainedTokenizerFast) -> GPT2LMHeadModel:
    """Return the model: an embedding of states, and an output layer of log odds."""
    torch.manual_seed(1)
    size, end = len(tokenizer), tokenizer.eos_token_id
    model = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=size,
            n_positions=CONTEXT,
            n_embd=WIDTH,
            n_layer=1,
            n_head=HEADS,
            tie_word_embeddings=False,
            bos_token_id=end,
            eos_token_id=end,
        )
    )
    states, logs = odds(tokenizer)
    with torch.no_grad():
        body, layer = model.transformer, model.transformer.h[0]
        for nothing in (layer.attn.c_proj, layer.mlp.c_proj):
            nothing.weight.zero_()
            nothing.bias.zero_()
        body.wpe.weight.zero_()
        # The embedding has one entry for the state; the last norm keeps it and evens out the rest.
        body.wte.weight.zero_()
        body.wte.weight[range(size), states] = 1.0
        seen = body.ln_f(
            torch.eye(WIDTH)[: len(STATES)]
        )  # (state, width): what the output layer is given
        model.lm_head.weight.copy_(torch.linalg.pinv(seen).matmul(logs.T).T)
    model.generation_config = GenerationConfig(
        do_sample=True, top_k=0, bos_token_id=end, eos_token_id=end, pad_token_id=end
    )
    return model.eval()


def make(folder: Path) -> None:
    """Write the model for both servers."""
    tokenizer = make_thinking_tokenizer()
    model = make_model(tokenizer)
    model.save_pretrained(folder / "tiny")
    tokenizer.save_pretrained(folder / "tiny")
    write_gguf(model, tokenizer, folder / "tiny.gguf", TEMPLATE)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
