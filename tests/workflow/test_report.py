"""The report in a real browser, figures redrawn without weights, and latency measured alone."""

import base64
import json
import os
import re
import shutil
import subprocess

import pytest
import yaml

from conftest import LATENCY, Workflow
from goodpart.jobs import records as kept_records

SMALL = {
    "run": {
        "models": ["llada-tiny-instruct"],
        "benchmarks": ["tiny-math500"],
        "policies": ["similarity"],
    },
    "models": {"llada-tiny-instruct": {"layers_skipped": [0, 2, 6]}},
    "benchmarks": {"tiny-math500": {"n": 4}},
    "capture": {"benchmarks": ["tiny-mbpp"], "prompts": 2, "steps": 2},
    "generation": {"kl_items": 0},
    "latency": LATENCY,
}
BROWSER = shutil.which("chromium") and shutil.which("chromedriver")


def snakemake(workflow, *arguments):
    made = workflow.snakemake(*arguments, "--cores", "2", "--configfile", "small.yaml")
    assert made.returncode == 0, made.stdout[-5000:]
    return made.stdout


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A finished run of everything, and its report."""
    workflow = Workflow(tmp_path_factory.mktemp("report"))
    (workflow.folder / "small.yaml").write_text(yaml.safe_dump(SMALL))
    snakemake(workflow)
    snakemake(workflow, "--report", "report.html")
    return workflow


def records(workflow):
    """file -> Snakemake's record of the job that made it."""
    found = {}
    for file in (workflow.folder / ".snakemake" / "metadata").rglob("*"):
        if file.is_file():
            name = base64.b64decode(file.name, altchars=b"-_").decode(errors="replace")
            found[name] = json.loads(file.read_text())
    return found


def test_nothing_runs_beside_latency(made):
    jobs = records(made)
    [alone] = [job for name, job in jobs.items() if name.endswith("latency/llada-tiny-instruct.parquet")]
    others = [job for job in jobs.values() if job["rule"] != "latency"]
    assert len(others) > 30
    for job in others:
        assert job["endtime"] <= alone["starttime"] + 0.5 or job["starttime"] >= alone["endtime"] - 0.5


def pictures(workflow):
    """Names of all pictures and tables of the run; Markdown beside a PDF is a figure's note."""
    folder = workflow.folder / "paper_figs"
    tables = {file.stem for file in folder.glob("*.md") if not file.with_suffix(".pdf").exists()}
    return tables | {file.stem for file in folder.glob("*.png")}


@pytest.fixture(scope="module")
def chromium():
    """A headless Chromium."""
    if not BROWSER:
        pytest.skip("chromium and chromedriver are not installed (apt-get install chromium chromium-driver)")
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1600,1200"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    driver = webdriver.Chrome(options=options, service=service)
    driver.implicitly_wait(10)
    yield driver
    driver.quit()


@pytest.fixture
def browser(made, chromium):
    """The browser with the report open, whatever a test before has opened."""
    driver = chromium
    driver.get((made.folder / "report.html").as_uri())
    # Loaded, its data read and its first page drawn: a large file takes a while on a busy machine.
    data_of(driver, "results")
    wait_for(driver, lambda b: b.execute_script("return document.querySelector('#app').children.length"))
    # Its menus slide; a click would miss them on their way.
    driver.execute_script(
        "document.head.insertAdjacentHTML('beforeend', '<style>* { transition: none !important }</style>')"
    )
    return driver


def click(browser, text):
    """Click what shows exactly this text."""
    from selenium.webdriver.common.by import By

    browser.find_element(By.XPATH, f"//*[normalize-space(text())='{text}']").click()


def wait_for(browser, condition):
    """What the condition gives as soon as it is true; a script that fails while the page loads runs again."""
    from selenium.common.exceptions import JavascriptException
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(browser, 60, ignored_exceptions=[JavascriptException]).until(condition)


def data_of(browser, name):
    """One of the objects that the report holds, by its name in the page's scripts."""
    script = f"return document.readyState === 'complete' && Object.keys({name}).length > 0 && {name}"
    return wait_for(browser, lambda b: b.execute_script(script))


def shown(browser):
    from selenium.webdriver.common.by import By

    return browser.find_element(By.TAG_NAME, "body").text


def test_the_report_holds_every_figure_and_table(made, browser):
    results = data_of(browser, "results").values()
    names = {result["name"].rsplit(".", 1)[0] for result in results}
    assert names == pictures(made) | {"run"}
    assert all(result["caption"] and len(result["caption"]) > 40 for result in results)
    assert len(names) >= 10
    # One file, that loads nothing from elsewhere.
    assert browser.execute_script("return performance.getEntriesByType('resource').filter("
                                  "r => r.name.startsWith('http')).length") == 0  # fmt: skip


def test_the_report_can_be_clicked_through(made, browser):
    """Every category, every picture and page in it, and the description of each."""
    from selenium.webdriver.common.by import By

    assert "Skip to the Good Part" in shown(browser)  # the description of the workflow
    categories = data_of(browser, "categories")
    results = data_of(browser, "results")
    assert {"1 Skipping layers", "4 The paper side by side", "6 This run"} <= set(categories)
    opened = []
    for category, groups in categories.items():
        click(browser, category)
        for path in [path for group in groups.values() for path in group]:
            item = results[path]["labels"]["item"]
            row = browser.find_element(By.XPATH, f"//tr[td[normalize-space(text())='{item}']]")
            view, information = row.find_elements(By.XPATH, ".//a[@type='button']")
            view.click()
            if path.endswith(".png"):
                image = wait_for(
                    browser, lambda b: b.find_element(By.XPATH, "//img[contains(@src, 'image/png')]")
                )
                wait_for(
                    browser, lambda b, i=image: b.execute_script("return arguments[0].naturalWidth", i) > 500
                )
            else:
                frame = wait_for(browser, lambda b: b.find_element(By.TAG_NAME, "iframe"))
                browser.switch_to.frame(frame)
                assert browser.find_elements(By.TAG_NAME, "table")
                browser.switch_to.default_content()
            information.click()
            caption = " ".join((made.folder / "workflow" / "report" / caption_of(path)).read_text().split())
            wait_for(browser, lambda b, text=caption: text.split("{{")[0].strip()[:60] in shown(b))
            assert "SNAKEMAKE RULE" in shown(browser)
            opened.append(path)
            click(browser, category)
        click(browser, "Results")
    assert sorted(opened) == sorted(results)
    assert not [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


def caption_of(path):
    return f"{path.rsplit('/', 1)[1].rsplit('.', 1)[0]}.rst"


def test_the_report_has_run_times_versions_and_the_configuration(made, browser):
    from selenium.webdriver.common.by import By

    click(browser, "Statistics")
    wait_for(browser, lambda b: b.find_elements(By.CSS_SELECTOR, "#runtimes svg, #runtimes canvas"))
    page = (made.folder / "paper_figs" / "report" / "run.html").read_text()
    browser.get((made.folder / "paper_figs" / "report" / "run.html").as_uri())
    text = shown(browser)
    assert "pyarrow" in text
    assert "layers_skipped" in text
    assert "llada-tiny-instruct" in text
    assert "<script" not in page


def test_figures_and_tables_are_redrawn_without_weights(made, tmp_path):
    """A clone without weights, and results whose files carry times in no order."""
    clone = Workflow(tmp_path)
    clone.take_results(made)
    files = sorted(file for file in (tmp_path / "results").rglob("*") if file.is_file())
    for age, file in enumerate(files):
        os.utime(file, (1.7e9 - 1000 * (age % 7), 1.7e9 - 1000 * (age % 7)))
    journal = tmp_path / "results" / kept_records.FILE  # what is drawn here is added to it, nothing taken out
    before = {file: file.read_bytes() for file in files if file != journal}
    recorded = kept_records.read(journal)

    failed = clone.snakemake("--dry-run", "--configfile", "small.yaml")
    assert failed.returncode != 0
    assert "is not a checkpoint" in failed.stdout
    said = snakemake(clone, "--config", "redraw=True")
    for rule in ("hidden_states", "generations", "scores", "cells", "latency", "statistics", "items"):
        assert not re.search(rf"\] {rule}\w*: ", said)
    assert re.search(r"\] table1: ", said)
    assert {file: file.read_bytes() for file in before} == before
    kept = kept_records.read(journal)
    made_before = {name for name in recorded if (tmp_path / name) in before}
    assert made_before
    assert {name: kept.get(name) for name in made_before} == {name: recorded[name] for name in made_before}
    drawn = sorted(file.name for file in (made.folder / "paper_figs").iterdir() if file.is_file())
    assert sorted(f.name for f in (tmp_path / "paper_figs").iterdir() if f.is_file()) == drawn
    for name in drawn:
        if not name.endswith(".pdf"):
            one, other = (f / "paper_figs" / name for f in (made.folder, tmp_path))
            assert one.read_bytes() == other.read_bytes(), name
    again = clone.snakemake("--configfile", "small.yaml", "--config", "redraw=True", "--cores", "1")
    assert "Nothing to be done" in again.stdout


def test_results_that_cannot_be_written_are_redrawn(made, tmp_path, sandbox):
    """Another user's results, in a mount that refuses writes to root as well."""
    clone = Workflow(tmp_path)
    clone.take_results(made)
    results, bwrap = str(tmp_path / "results"), sandbox.probe().removeprefix("bubblewrap (").removesuffix(")")
    mount = [bwrap, "--dev-bind", "/", "/", "--ro-bind", results, results, "--"]
    assert subprocess.run([*mount, "touch", f"{results}/new"], check=False).returncode != 0
    words = ["--cores", "1", "--configfile", "small.yaml", "--config", "redraw=True"]
    drawn = clone.snakemake("paper_figs/table1.csv", "paper_figs/figure3.pdf", *words, before=mount)
    assert drawn.returncode == 0, drawn.stdout[-5000:]
    for name in ("table1.csv", "figure3.csv"):
        one, other = (folder / "paper_figs" / name for folder in (made.folder, tmp_path))
        assert one.read_bytes() == other.read_bytes(), name
    again = clone.snakemake("paper_figs/table1.csv", *words, before=mount)
    assert "Nothing to be done" in again.stdout


def test_redrawing_says_which_results_are_missing(made, tmp_path):
    clone = Workflow(tmp_path)
    shutil.copy(made.folder / "small.yaml", tmp_path)
    failed = clone.snakemake(
        "paper_figs/table1.csv", "--dry-run", "--configfile", "small.yaml", "--config", "redraw=True"
    )
    assert failed.returncode != 0
    assert "Missing input files" in failed.stdout
    assert "results/cells.parquet" in failed.stdout
