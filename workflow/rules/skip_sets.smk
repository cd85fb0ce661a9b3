# Static skip sets, one file for each number of layers, from the similarities of the default decoding.


rule skip_set:
    input:
        layers=[
            result(paths.STATISTICS, decode=DECODE, benchmark=b, statistic="layers")
            for b in CALIBRATION
        ],
        code=lambda wildcards: kind_code(
            "rules.skip_set", "policies", config["policies"][wildcards.policy]["kind"]
        ),
    output:
        result(paths.SKIP_SET),
    log:
        log_file("skip_set", "model", "policy", "k"),
    conda:
        "../../envs/analysis.yaml"
    params:
        settings=lambda wildcards: json.dumps(config["policies"][wildcards.policy], sort_keys=True),
        layers=lambda wildcards: config["models"][wildcards.model]["layers"],
    shell:
        "python -m goodpart.rules.skip_set --model {wildcards.model} --policy {wildcards.policy}"
        " --settings {params.settings:q} --layers {params.layers} --k {wildcards.k}"
        " --layers-files {input.layers:q} --output {output:q} --log {log:q}"
