"""Where answers come from. An endpoint is one function: a task and its settings in, answers out.

``answer(task, settings) -> polars.DataFrame`` returns one row per slot of the task's shard with the
columns of ``persona_collapse.answers.SCHEMA`` (``conform`` fills the rest).
"""
