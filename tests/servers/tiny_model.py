"""Make a tiny chat model of random weights, for two servers: ``python tiny_model.py FOLDER``.

Runs in the servers' own environment. Writes ``FOLDER/tiny`` for ``transformers`` and the same
weights as ``FOLDER/tiny.gguf`` for llama.cpp. It is a GPT-2 of one layer whose first token is a
rating three times in four, so that the tests see ratings, second tries and longer replies.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import gguf
import torch
from tokens import END, TEMPLATE, favoured, halves, make_tokenizer
from transformers import GenerationConfig, GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

CONTEXT, WIDTH, HEADS = 1024, 32, 2
ODDS = 3.0  # of a rating against any other first token


def make_model(tokenizer: PreTrainedTokenizerFast) -> GPT2LMHeadModel:
    """Return the model; what stands before the reply moves its odds."""
    torch.manual_seed(1)
    size, end = len(tokenizer), tokenizer.eos_token_id
    model = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=size,
            n_positions=CONTEXT,
            n_embd=WIDTH,
            n_layer=1,
            n_head=HEADS,
            initializer_range=0.3,
            tie_word_embeddings=False,
            bos_token_id=end,
            eos_token_id=end,
        )
    )
    with torch.no_grad():
        # The last norm's output has a constant first entry, so that the first column of the output
        # layer is a bias of the tokens, which GPT-2 has no other place for.
        norm, weights = model.transformer.ln_f, model.lm_head.weight
        norm.weight[0], norm.bias[0] = 0.0, 1.0
        weights[:, 1:] = 0.15 * torch.randn(size, WIDTH - 1)
        weights[:, 0] = 0.0
        ratings = favoured(tokenizer)
        weights[ratings, 0] = math.log(ODDS * size / len(ratings))
        # Nor half a character: llama-cpp-python drops it and draws another token beyond the limit.
        weights[[end, *halves(tokenizer)], 0] = -10.0
    # As chat models ship it: without do_sample, `transformers` takes the likeliest token always.
    model.generation_config = GenerationConfig(
        do_sample=True, top_k=0, bos_token_id=end, eos_token_id=end, pad_token_id=end
    )
    return model.eval()


def write_gguf(
    model: GPT2LMHeadModel,
    tokenizer: PreTrainedTokenizerFast,
    path: Path,
    template: str = TEMPLATE,
) -> None:
    """Write the model in llama.cpp's format."""
    writer = gguf.GGUFWriter(path, "gpt2")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(4 * WIDTH)
    writer.add_block_count(1)
    writer.add_head_count(HEADS)
    writer.add_layer_norm_eps(model.config.layer_norm_epsilon)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    vocabulary = sorted(tokenizer.get_vocab().items(), key=lambda entry: entry[1])
    kinds = dict.fromkeys(tokenizer.get_added_vocab(), gguf.TokenType.USER_DEFINED)
    kinds[END] = gguf.TokenType.CONTROL
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([token for token, _ in vocabulary])
    writer.add_token_types([kinds.get(token, gguf.TokenType.NORMAL) for token, _ in vocabulary])
    writer.add_token_merges(merges(tokenizer))
    writer.add_bos_token_id(tokenizer.bos_token_id)
    writer.add_eos_token_id(tokenizer.eos_token_id)
    writer.add_add_bos_token(False)
    writer.add_chat_template(template)
    for name, value in tensors(model).items():
        writer.add_tensor(name, value.contiguous().numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def merges(tokenizer: PreTrainedTokenizerFast) -> list[str]:
    """Return the merges as llama.cpp reads them: both halves with a space between."""
    stored: dict[str, Any] = json.loads(tokenizer.backend_tokenizer.to_str())
    return [" ".join(pair) for pair in stored["model"]["merges"]]


def tensors(model: GPT2LMHeadModel) -> dict[str, torch.Tensor]:
    """Return the weights under llama.cpp's names; its matrices are (out, in)."""
    body, layer = model.transformer, model.transformer.h[0]
    named = {
        "token_embd.weight": body.wte.weight,
        "position_embd.weight": body.wpe.weight,
        "output.weight": model.lm_head.weight,
    }
    norms = {"blk.0.attn_norm": layer.ln_1, "blk.0.ffn_norm": layer.ln_2, "output_norm": body.ln_f}
    for name, part in norms.items():
        named |= {f"{name}.weight": part.weight, f"{name}.bias": part.bias}
    linear = {
        "blk.0.attn_qkv": layer.attn.c_attn,
        "blk.0.attn_output": layer.attn.c_proj,
        "blk.0.ffn_up": layer.mlp.c_fc,
        "blk.0.ffn_down": layer.mlp.c_proj,
    }
    for name, part in linear.items():
        named |= {f"{name}.weight": part.weight.T, f"{name}.bias": part.bias}
    return {name: value.detach() for name, value in named.items()}


def make(folder: Path) -> None:
    """Write the model for both servers."""
    tokenizer = make_tokenizer()
    model = make_model(tokenizer)
    model.save_pretrained(folder / "tiny")
    tokenizer.save_pretrained(folder / "tiny")
    write_gguf(model, tokenizer, folder / "tiny.gguf")


if __name__ == "__main__":
    make(Path(sys.argv[1]))
