# Models and data of the hub, by revision, into a folder that several clones may share. On a cluster these run
# where Snakemake runs: compute nodes often have no network.


rule download:
    output:
        f"{config['downloads']['folder']}/{{kind}}/{{owner}}--{{name}}/{{revision}}/{downloads.MANIFEST}",
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
        endpoint=(
            ["--endpoint", config["downloads"]["endpoint"]]
            if config["downloads"].get("endpoint")
            else []
        ),
    message:
        "{wildcards.kind} {wildcards.owner}/{wildcards.name} from the hub"
    shell:
        "python -m goodpart.rules.download --kind {wildcards.kind} --hub {wildcards.owner}/{wildcards.name}"
        " --revision {wildcards.revision} {params.endpoint:q} --output {output:q} --log {log:q}"
