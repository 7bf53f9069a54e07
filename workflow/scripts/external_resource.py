"""Fetch one resource of the catalogue, check it and write it in the project's YAML form."""

from pathlib import Path

from persona_collapse.console import reported
from persona_collapse.resources.convert import external


def external_resource(
    name: str, catalogue: str, cache: str, mirror: str | None, output: str
) -> None:
    """Write resource ``name`` to ``output``; an empty or absent ``mirror`` means the network."""
    external(
        name=name,
        catalogue=Path(catalogue),
        output=Path(output),
        cache=Path(cache),
        mirror=Path(mirror).expanduser() if mirror else None,
    )


if __name__ == "__main__":
    with reported(snakemake.log[0]):
        external_resource(
            name=snakemake.wildcards.name,
            catalogue=snakemake.input.catalogue,
            cache=snakemake.params.cache,
            # Not through params: where a file was taken from changes nothing in it.
            mirror=(snakemake.config.get("resources") or {}).get("mirror"),
            output=snakemake.output[0],
        )
