"""Fetch one resource of the catalogue, check it and write it in the project's YAML form."""

from pathlib import Path

from persona_collapse.common.jobs import reported
from persona_collapse.materials.convert import external


def external_resource(
    name: str,
    catalogue: str,
    cache: str,
    mirror: str | None,
    output: str,
    confirmed: dict[str, str] | None = None,
) -> None:
    """Write resource ``name`` to ``output``; an empty or absent ``mirror`` means the network.

    ``confirmed`` maps a name to the git blob id of the version that the study accepts; the file
    is then called ``<name>-<the id's first digits>``.
    """
    accepted = [known for known in confirmed or {} if name.startswith(f"{known}-")]
    version = {"confirmed": (confirmed or {})[accepted[0]]} if accepted else {}
    external(
        name=accepted[0] if accepted else name,
        catalogue=Path(catalogue),
        output=Path(output),
        cache=Path(cache),
        mirror=Path(mirror).expanduser() if mirror else None,
        **version,
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
            confirmed=snakemake.params.confirmed,
        )
