"""The work of each rule: one module a rule, of its name, whose `main(job)` makes the rule's outputs."""
