"""Fetch one resource of the catalogue, check it and write it in the project's YAML form."""

from pathlib import Path

from persona_collapse.common.jobs import run, run_settings
from persona_collapse.materials.convert import external


def external_resource(
    name: str,
    catalogue: str,
    cache: str,
    mirror: str | None,
    confirmed: dict[str, str],
    output: str,
) -> None:
    """Write resource ``name`` to ``output``; an empty or absent ``mirror`` means the network.

    ``confirmed`` maps a name to the git blob id of the version that the study accepts; the file
    is then called ``<name>-<the id's first digits>``.
    """
    accepted = [known for known in confirmed if name.startswith(f"{known}-")]
    version = {"confirmed": confirmed[accepted[0]]} if accepted else {}
    external(
        name=accepted[0] if accepted else name,
        catalogue=Path(catalogue),
        output=Path(output),
        cache=Path(cache),
        mirror=Path(mirror).expanduser() if mirror else None,
        **version,
    )


if __name__ == "__main__":
    run(external_resource, snakemake, name=snakemake.wildcards.name, **run_settings(snakemake))
