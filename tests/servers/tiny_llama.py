"""Make a tiny chat model for mlx-lm: ``python tiny_llama.py FOLDER {tiny,thinking}``.

Runs in the environment of mlx-lm, which has no torch. It is a Llama of one layer, since mlx-lm's
GPT-2 has one matrix for its input and output. ``tiny`` has random weights, and its first token is
a rating three times in four. ``thinking`` does nothing in its layer, so that the last token alone
decides the next one.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from tokens import favoured, halves, make_thinking_tokenizer, make_tokenizer, thoughts
from transformers import PreTrainedTokenizerFast

CONTEXT, WIDTH, INNER, HEADS = 1024, 32, 64, 2
ODDS = 3.0  # of a rating against any other first token
HIGH = 4.0  # the constant entry of an embedding: the norm leaves it nearly constant
SPREAD = 0.15
FOCUS = 4.0  # so that attention picks few tokens, and differs from prompt to prompt
EPSILON = 1e-5
Weights = dict[str, np.ndarray]


def body(spread: float) -> Weights:
    """Return weights of a layer that leaves the first entry alone."""
    chance = np.random.default_rng(1)
    shapes = {
        **{f"self_attn.{name}_proj": (WIDTH, WIDTH) for name in "qkvo"},
        **{f"mlp.{name}_proj": (INNER, WIDTH) for name in ("gate", "up")},
        "mlp.down_proj": (WIDTH, INNER),
    }
    layer = {name: spread * chance.standard_normal(shape) for name, shape in shapes.items()}
    for name in ("self_attn.q_proj", "self_attn.k_proj"):
        layer[name] *= FOCUS
    for name in ("self_attn.o_proj", "mlp.down_proj"):
        layer[name][0] = 0.0
    norms = ("input_layernorm", "post_attention_layernorm")
    layer |= {name: np.ones(WIDTH) for name in norms}
    named = {f"model.layers.0.{name}.weight": value for name, value in layer.items()}
    return named | {"model.norm.weight": np.ones(WIDTH)}


def random_weights(tokenizer: PreTrainedTokenizerFast) -> Weights:
    """Return weights with which what stands before the reply moves the odds of the ratings."""
    chance, size = np.random.default_rng(2), len(tokenizer)
    embedding = chance.standard_normal((size, WIDTH))
    embedding[:, 0] = HIGH
    output = 0.4 * chance.standard_normal((size, WIDTH))
    # The constant entry makes the first column a bias of the tokens. After the norm it is:
    constant = HIGH / math.sqrt((HIGH**2 + 2 * WIDTH) / WIDTH)
    output[:, 0] = 0.0
    ratings = favoured(tokenizer)
    output[ratings, 0] = math.log(ODDS * size / len(ratings)) / constant
    output[[tokenizer.eos_token_id, *halves(tokenizer)], 0] = -10.0 / constant
    return {"model.embed_tokens.weight": embedding, "lm_head.weight": output} | body(SPREAD)


def thinking_weights(tokenizer: PreTrainedTokenizerFast) -> Weights:
    """Return an embedding of states, and an output layer of log odds."""
    states, logs = thoughts(tokenizer)
    embedding = np.eye(WIDTH)[states]
    output = np.zeros((len(tokenizer), WIDTH))
    output[:, : len(logs[0])] = np.array(logs) / math.sqrt(WIDTH)  # the norm of a state's entry
    return {"model.embed_tokens.weight": embedding, "lm_head.weight": output} | body(0.0)


def make(folder: Path, kind: str) -> None:
    """Write the model as a repository of models holds it."""
    tokenizer = make_tokenizer() if kind == "tiny" else make_thinking_tokenizer()
    weights = random_weights(tokenizer) if kind == "tiny" else thinking_weights(tokenizer)
    end = tokenizer.eos_token_id
    config = {
        **{"model_type": "llama", "architectures": ["LlamaForCausalLM"], "num_hidden_layers": 1},
        **{"hidden_size": WIDTH, "intermediate_size": INNER, "num_attention_heads": HEADS},
        **{"rms_norm_eps": EPSILON, "vocab_size": len(tokenizer), "tie_word_embeddings": False},
        **{"max_position_embeddings": CONTEXT, "bos_token_id": end, "eos_token_id": end},
    }
    tokenizer.save_pretrained(folder)
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    save_file(
        {name: value.astype(np.float32) for name, value in weights.items()},
        folder / "model.safetensors",
        {"format": "mlx"},
    )


if __name__ == "__main__":
    make(Path(sys.argv[1]), sys.argv[2])
