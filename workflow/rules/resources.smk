# Takes: resources/external.yaml and the addresses in it, or the folder resources.mirror.
# Gives: resources/external/{instruments,personas,questions}/<name>.yaml in the form of the bundled ones, and
# the fetched files in resources/external/sources/, so that a rerun needs no network.


rule external_resource:
    """Fetch a resource, check its content, read its literals and write it in the project's form."""
    input:
        catalogue="resources/external.yaml",
    output:
        "resources/external/{kind}/{name}.yaml",
    log:
        "logs/resources/{kind}/{name}.log",
    wildcard_constraints:
        kind="instruments|personas|questions",
        name="[^/]+",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        cache="resources/external/sources",
        confirmed=CHECK.confirmed,
        code=code_of("external_resource"),
    script:
        "../scripts/external_resource.py"
