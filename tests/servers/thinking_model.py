"""Make a tiny chat model that thinks, for two servers: ``python thinking_model.py FOLDER``.

Runs in the servers' own environment. The model is a Markov chain in the form of a GPT-2: its layer
does nothing, so that the last token alone decides the next one.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from tiny_model import CONTEXT, HEADS, WIDTH, write_gguf
from tokens import STATES, THINKING_TEMPLATE, make_thinking_tokenizer, thoughts
from transformers import GenerationConfig, GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast


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
    states, rows = thoughts(tokenizer)
    logs = torch.tensor(rows)
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
    write_gguf(model, tokenizer, folder / "tiny.gguf", THINKING_TEMPLATE)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
