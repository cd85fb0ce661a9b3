# Completions with layers skipped. One job serves a range of items of all benchmarks that have it, so that
# starting Python and loading a model are paid once. Snakemake deletes the shards that exist; the job keeps
# them under a second name and takes up those of the same settings, so a new benchmark costs its own items only.


for (suffix, policies, first, last), members in item_ranges().items():

    rule:
        name:
            f"generations{suffix}"
        input:
            item_files=[result(paths.ITEMS, benchmark=b, split="evaluation") for b in members],
            skip_set=skip_set,
            full=lambda wildcards, members=members, first=first, last=last: full_depth(
                wildcards, members, first, last
            ),
            checkpoint=lambda wildcards: checkpoint(wildcards.model),
        output:
            [result(paths.GENERATIONS, benchmark=b, first=first, last=last) for b in members],
        log:
            log_file(f"generations{suffix}", "model", "decode", "policy", "k"),
        wildcard_constraints:
            policy=policies,
        conda:
            "../../envs/models.yaml"
        threads: CORES_A_THREAD
        resources:
            mem_mb=rising("mem_mb"),
            runtime=rising("runtime"),
            gpu=lambda wildcards: config["models"][wildcards.model]["gpu"],
        params:
            code=lambda wildcards: family_code("rules.generations", wildcards.model),
            threads=compute_threads,
            model=lambda wildcards: model_entry(wildcards.model),
            settings=lambda wildcards, members=members: decoding(
                wildcards.decode, wildcards.model, members
            ),
            samples=[config["benchmarks"][b]["samples"] for b in members],
            skip_set=lambda wildcards, input: (
                ["--skip-set", input.skip_set] if input.skip_set else []
            ),
            full=lambda wildcards, input: ["--full", *input.full] if input.full else [],
            kl_items=config["generation"]["kl_items"],
            kl_states=config["generation"]["kl_states"],
            first=first,
            last=last,
            seed=config["seed"],
            batch_size=lambda wildcards: config["models"][wildcards.model]["batch_size"],
            context=config["generation"]["context"],
        message:
            f"{{wildcards.model}}, {benchmark_names(members)}, items {first} to {last}:"
            " completions with {wildcards.k} layers skipped ({wildcards.policy})"
        shell:
            "python -m goodpart.rules.generations --model {params.model:q} --items {input.item_files:q}"
            " --settings {params.settings:q} --samples {params.samples} {params.skip_set:q} {params.full:q}"
            " --kl-items {params.kl_items} --kl-states {params.kl_states} --first {params.first} --last {params.last}"
            " --seed {params.seed} --batch-size {params.batch_size} --context {params.context}"
            " --threads {params.threads} --output {output:q} --log {log:q}"
