# Verdicts on completions. One job serves all benchmarks of a model and skip set: scoring takes less time than
# starting Python. Verdicts of the same completions, scorer and settings are kept.


for suffix, policies, members in served_together():

    rule:
        name:
            f"scores{suffix}"
        input:
            item_files=[result(paths.ITEMS, benchmark=b, split="evaluation") for b in members],
            generations=[shard for b in members for shard in shards_of(b)],
        output:
            [result(paths.SCORES, benchmark=b) for b in members],
        log:
            log_file(f"scores{suffix}", "model", "decode", "policy", "k"),
        wildcard_constraints:
            policy=policies,
        conda:
            "../../envs/analysis.yaml"
        threads: config["scoring"]["threads"]
        params:
            code=code(
                "rules.scores",
                *sorted({f"benchmarks.{config['benchmarks'][b]['kind']}" for b in members}),
            ),
            kinds=[config["benchmarks"][b]["kind"] for b in members],
            styles=[config["benchmarks"][b]["style"] for b in members],
            attempt=lambda wildcards, members=members: attempt(
                wildcards, list(filter(runs_code, members))
            ),
            shards=[len(shards_of(b)) for b in members],
            sandbox=config["scoring"]["sandbox"],
            cpu=config["scoring"]["cpu_seconds"],
            wall=config["scoring"]["wall_seconds"],
            numpy="--numpy" if config["scoring"].get("numpy") else "",
        message:
            f"{{wildcards.model}}, {benchmark_names(members)}:"
            " scores with {wildcards.k} layers skipped ({wildcards.policy})"
        shell:
            "python -m goodpart.rules.scores --kinds {params.kinds} --styles {params.styles}"
            " --items {input.item_files:q} --generations {input.generations:q} --shards {params.shards}"
            " --sandbox {params.sandbox} --cpu-seconds {params.cpu} --wall-seconds {params.wall}"
            " {params.numpy} --threads {threads} --output {output:q} --log {log:q}"
