# `snakemake --report` shows pictures and HTML: rules of tables write a page as well, and this run has one.
# Captions of all figures and tables are in workflow/report.


report: "../report/workflow.rst"


# Categories of the report, and the figures and tables in each.
REPORT = {
    "1 Skipping layers": [
        "table1",
        "table2",
        "table3",
        "figure1",
        "likelihood",
        "figure2",
        "figure8",
    ],
    "2 Hidden states": [
        *(f"figure{n}" for n in (3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14)),
        *("block_similarity", "mask_ratio"),
    ],
    "3 Quality and latency": ["quality_latency", "quality_latency_table"],
    "4 The paper side by side": ["comparison"],
    "5 Studies": [
        *("policies", "overlap", "policy_study_table"),
        *("controlled_study", "controlled_study_table", "training_curves"),
        *("generation_order", "healing", "healing_table"),
    ],
    "6 This run": ["run"],
}


def title(name):
    """How a figure or table is called: Figure 3, Block similarity."""
    return re.sub(r"(?<=[a-z])(?=\d)", " ", name.replace("_", " ")).capitalize()


def in_report(file, name):
    """An output that the report shows, with its caption, under its category."""
    category = next((c for c, names in REPORT.items() if name in names), "Other")
    caption = f"../report/{name}.rst"
    return report(file, caption=caption, category=category, labels={"item": title(name)})


def figure_outputs(name, suffixes):
    """The files of one figure as outputs; its picture goes into the report."""
    return [
        in_report(file, name) if file.endswith(".png") else file
        for file in figure_files(name, suffixes)
    ]


def page(name):
    """The page of the report that shows a table."""
    return in_report(ARTIFACTS.page(name), name)
