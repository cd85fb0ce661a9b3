# Models and data of the hub, by revision, into a folder that several clones may share. On a cluster these run
# where Snakemake runs: compute nodes often have no network.


rule download:
    output:
        f"{CONFIGURATION.downloads.folder}/{{kind}}/{{owner}}--{{name}}/{{revision}}/{downloads.MANIFEST}",
    log:
        log_file("download", "kind", "owner", "name", "revision"),
    wildcard_constraints:
        kind="model|dataset",
        owner=r"[\w.-]+?",
        name=r"[\w.-]+",
        revision=r"[\w.-]+",
    localrule: True
    conda:
        "../../envs/models.yaml"
    params:
        **script("download", endpoint=CONFIGURATION.downloads.endpoint),
    message:
        "{wildcards.kind} {wildcards.owner}/{wildcards.name} from the hub"
    shell:
        SCRIPT
