"""`snakemake explore` in a real browser, without a network: what is chosen, drawn, marked and shown."""

import importlib.util
import json
import random
import shutil
from pathlib import Path

import polars
import pytest
import yaml

from conftest import ROOT, Workflow
from goodpart import paths
from goodpart.evaluation.explore import page

SMALL = {
    "run": {
        "models": ["llada-tiny-instruct", "qwen2.5-tiny"],
        "benchmarks": ["tiny-math500"],
        "policies": ["similarity"],
    },
    "models": {
        "llada-tiny-instruct": {"layers_skipped": [0, 2, 6]},
        "qwen2.5-tiny": {"layers_skipped": [0, 3]},
    },
    "capture": {"benchmarks": ["tiny-gsm8k", "tiny-mbpp"], "prompts": 2, "steps": 3},
}
RUN = ["explore", "--configfile", "small.yaml"]
MISSING = importlib.util.find_spec("vl_convert") is None
needs_library = pytest.mark.skipif(MISSING, reason="vl-convert-python is not installed (the extra explore)")
LIMIT = 10_000_000  # bytes of the default run's page
WHOLE = {"models": 4, "prompts": 16, "steps": 5}  # what that page shows at most


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A finished run of the page alone."""
    if MISSING:
        pytest.skip("vl-convert-python is not installed (the extra explore)")
    workflow = Workflow(tmp_path_factory.mktemp("explore"))
    (workflow.folder / "small.yaml").write_text(yaml.safe_dump(SMALL))
    run = workflow.snakemake(*RUN, "--cores", "2")
    assert run.returncode == 0, run.stdout[-5000:]
    return workflow


@pytest.fixture(scope="module")
def chromium():
    """A headless Chromium that finds no host."""
    programs = [shutil.which("chromium"), shutil.which("chromedriver")]
    if not all(programs):
        pytest.skip("chromium and chromedriver are not installed (apt-get install chromium chromium-driver)")
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = programs[0]
    offline = "--host-resolver-rules=MAP * ~NOTFOUND"
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", offline):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(programs[1]))
    yield driver
    driver.quit()


def opened(driver, file, width=1280, height=1000):
    """The page, drawn, in a window of this size."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    driver.get_log("browser")
    driver.get(Path(file).absolute().as_uri())
    wait(driver, "return view !== undefined && view.data('cells').length > 0")
    return driver


def wait(driver, script):
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(driver, 60).until(lambda b: b.execute_script(script))


@pytest.fixture
def browser(made, chromium):
    return opened(chromium, made.folder / "paper_figs" / "explore.html")


def choose(driver, **chosen):
    """Choose from the lists by the texts that they show, and a step on the slider by its arrow keys."""
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import Select

    for name, text in chosen.items():
        found = driver.find_element(By.ID, name)
        if name != "step":
            Select(found).select_by_visible_text(text)
            continue
        found.send_keys(Keys.HOME, *[Keys.ARROW_RIGHT] * text)


def picture(driver):
    return driver.execute_script("return document.querySelector('#view canvas').toDataURL()")


def hover(driver, row, position):
    """Move the mouse to a cell; what the page then shows: name -> text."""
    from selenium.webdriver.common.actions.action_builder import ActionBuilder

    x, y = driver.execute_script(
        "const [row, position] = arguments, cell = view.signal('cell'), line = view.signal('line');"
        "const map = document.getElementById('map'), canvas = document.querySelector('#view canvas');"
        "const top = (view.signal('rows') - 0.5 - row) * line;"
        "map.scrollLeft = position * cell - 100;"
        "window.scrollBy(0, canvas.getBoundingClientRect().top + top - innerHeight / 2);"
        "document.getElementById('tip').hidden = true;"
        "const { left, top: y } = canvas.getBoundingClientRect();"
        "return [left + (position + 0.5) * cell, y + top]",
        row,
        position,
    )
    actions = ActionBuilder(driver, duration=20)
    actions.pointer_action.move_to_location(1, 1).move_to_location(round(x), round(y))
    actions.perform()
    wait(driver, "return !document.getElementById('tip').hidden")
    return dict(
        driver.execute_script(
            "return [...document.querySelectorAll('#tip tr')].map((line) =>"
            " [...line.children].map((cell) => cell.textContent))"
        )
    )


def statistic(made, model, benchmark, name):
    where = {"model": model, "decode": "default", "benchmark": benchmark, "statistic": name}
    return polars.read_parquet(made.folder / "results" / paths.STATISTICS.format(**where))


def severe(driver):
    return [entry for entry in driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]


def test_it_opens_from_a_file_without_network_or_errors(made, browser):
    assert severe(browser) == []
    assert browser.title == "Hidden states by layer and token"
    loaded = browser.execute_script("return performance.getEntriesByType('resource').map((r) => r.name)")
    assert [name for name in loaded if not name.startswith("data:")] == []
    text = (made.folder / "paper_figs" / "explore.html").read_text()
    assert " src=" not in text.split("<script>")[0]
    notes = browser.execute_script("return document.getElementById('notes').textContent")
    assert "cosines are exact to ±0.00005, norms to ±0.03 %" in notes
    # Its policy refuses whatever a script might ask for.
    refused = browser.execute_async_script(
        "const done = arguments[0];"
        "fetch('http://127.0.0.1:9/').then(() => done('answered'), (error) => done(String(error)))"
    )
    assert "fetch" in refused
    assert any("Content Security Policy" in entry["message"] for entry in browser.get_log("browser"))


def test_the_page_of_the_default_run_is_small(made):
    """Every step of this run counts as one of the default run's, which has as long prompts."""
    file = made.folder / "paper_figs" / "explore.html"
    text = file.read_text()
    data = json.loads(text.split('id="data">')[1].split("</script>")[0])
    steps = [len(json.dumps(s)) for m in data["models"] for p in m["prompts"] for s in p["steps"]]
    tokens = max(len(json.dumps(m["tokens"])) for m in data["models"])
    beside = len(text) - sum(len(json.dumps(m)) for m in data["models"])
    whole = WHOLE["models"] * (tokens + WHOLE["prompts"] * WHOLE["steps"] * max(steps))
    assert beside + whole < LIMIT
    assert len(text.encode()) < LIMIT / 3


def test_each_choice_changes_the_drawing_and_back(browser):
    first = picture(browser)
    seen = {first}
    for change, back in (
        ({"measure": "Token-wise cosine"}, {"measure": "Layer-wise cosine"}),
        ({"measure": "Norm"}, {"measure": "Layer-wise cosine"}),
        ({"prompt": "MBPP (tiny): 100000"}, {"prompt": "GSM8K (tiny): calibration/0"}),
        ({"step": 1}, {"step": 0}),
        ({"step": 2}, {"step": 0}),
        ({"skip": "none"}, {"skip": "k = 6 (similarity)"}),
        ({"skip": "k = 2 (similarity)"}, {"skip": "k = 6 (similarity)"}),
    ):
        choose(browser, **change)
        seen.add(picture(browser))
        choose(browser, **back)
        assert picture(browser) == first, change
    choose(browser, model="qwen2.5-tiny (Qwen2.5)")
    seen.add(picture(browser))
    assert len(seen) == 9
    assert severe(browser) == []


def test_the_slider_says_the_step_and_its_masks(browser):
    from selenium.webdriver.common.by import By

    said = browser.find_element(By.ID, "step-text")
    assert said.text == "0 (of 0, 12, 23), 24 of 24 tokens masked"
    choose(browser, step=1)
    assert said.text == "12 (of 0, 12, 23), 12 of 24 tokens masked"
    assert browser.find_element(By.ID, "step").get_attribute("aria-valuetext") == said.text
    choose(browser, model="qwen2.5-tiny (Qwen2.5)")
    assert said.text == "one pass over prompt and completion"
    assert not browser.find_element(By.ID, "step").is_enabled()


MEASURED = {
    "Layer-wise cosine": ("layers", "layer", "cosine", "Cosine of input and output"),
    "Token-wise cosine": ("tokens", "depth", "cosine", "Cosine with next token"),
    "Norm": ("norms", "depth", "norm", "Norm"),
}


@pytest.mark.parametrize("measure", MEASURED)
@pytest.mark.parametrize(
    ("model", "prompt", "benchmark", "step"),
    [
        ("llada-tiny-instruct (LLaDA-Instruct)", "GSM8K (tiny): calibration/1", "tiny-gsm8k", 1),
        ("qwen2.5-tiny (Qwen2.5)", "MBPP (tiny): 100001", "tiny-mbpp", 0),
    ],
)
def test_what_hovering_shows_is_in_the_parquet_files(made, browser, measure, model, prompt, benchmark, step):
    choose(browser, model=model, prompt=prompt, measure=measure, **({"step": step} if step else {}))
    name, row, column, shown = MEASURED[measure]
    own = model.split()[0]
    chosen = {"prompt_id": prompt.split(": ")[1]}
    values = statistic(made, own, benchmark, name).filter(**chosen)
    steps = sorted(set(values["step"]))
    values = values.filter(step=steps[step])
    norms = statistic(made, own, benchmark, "norms").filter(**chosen, step=steps[step], depth=0)
    rows, positions = values[row].max() + 1, values["position"].max() + 1
    rng = random.Random(measure)
    places = [(0, 0), (rows - 1, positions - 1)]
    places += [(rng.randrange(rows), rng.randrange(positions)) for _ in range(4)]
    for line, position in places:
        found = hover(browser, line, position)
        [expected] = values.filter(**{row: line, "position": position})[column].to_list()
        [key] = [key for key in found if key.startswith(shown)]
        if measure == "Norm":
            assert float(found[key]) == pytest.approx(expected, rel=0.0003)
        else:
            assert abs(float(found[key]) - expected) <= 0.00005 + 1e-6
        [token] = norms.filter(position=position)["token_id"].to_list()
        assert found["Position"].endswith(f"token id {token}")
        layer = line - (row == "depth")
        assert found["Layer"].startswith(f"{layer} (" if layer >= 0 else "none: the embedding")


def test_tokens_are_the_tokenizers_and_kinds_are_told_apart(made, browser):
    from tokenizers import Tokenizer

    choose(browser, step=1)
    norms = statistic(made, "llada-tiny-instruct", "tiny-gsm8k", "norms")
    own = norms.filter(prompt_id="calibration/0", step=12, depth=0).sort("position")
    tokenizer = Tokenizer.from_file(
        str(ROOT / "workflow" / "resources" / "models" / "llada-tiny-instruct" / "tokenizer.json")
    )
    columns = browser.execute_script("return view.data('columns')")
    decoded = [tokenizer.decode([n], skip_special_tokens=False) for n in own["token_id"]]
    assert [c["text"] for c in columns] == [t.replace(" ", "␣").replace("\n", "↵") for t in decoded]
    assert "<|mask|>" in decoded
    colours = dict(zip(own["kind"], [c["colour"] for c in columns], strict=True))
    assert len(set(colours.values())) == len(colours) == 3
    assert [colours[kind] for kind in own["kind"]] == [c["colour"] for c in columns]
    # As drawn: the pixels of the band below the map.
    drawn = browser.execute_script(
        "const canvas = document.querySelector('#view canvas'), pen = canvas.getContext('2d');"
        "const scale = canvas.width / view.width(), cell = view.signal('cell');"
        "return arguments[0].map((position) => '#' + [...pen.getImageData((position + 0.3) * cell * scale,"
        " (view.signal('foot') + 4) * scale, 1, 1).data].slice(0, 3)"
        ".map((v) => v.toString(16).padStart(2, '0')).join(''))",
        list(range(len(columns))),
    )
    assert drawn == [c["colour"] for c in columns]
    legend = browser.execute_script(
        "return [...document.querySelectorAll('#kinds li')].map((item) => item.textContent)"
    )
    assert legend == ["prompt", "generated", "still masked", "layer of the skip set"]


@pytest.mark.parametrize(
    ("measure", "first"), [("Layer-wise cosine", 0), ("Token-wise cosine", 1), ("Norm", 1)]
)
def test_rows_of_the_skip_set_are_marked(made, browser, measure, first):
    """In the labels, and as drawn: black at both edges of the row, at the left end."""
    for model, ks in (("llada-tiny-instruct (LLaDA-Instruct)", (2, 6)), ("qwen2.5-tiny (Qwen2.5)", (3,))):
        for k in ks:
            choose(browser, model=model, measure=measure, skip=f"k = {k} (similarity)")
            file = paths.SKIP_SET.format(model=model.split()[0], policy="similarity", k=k)
            layers = json.loads((made.folder / "results" / file).read_text())["layers"]
            labels = browser.execute_script(
                "return [...document.querySelectorAll('#rows .skipped')].map((label) => label.textContent)"
            )
            sign = "skip {0}" if not first else "skip {0} → {1}"
            assert labels[::-1] == [sign.format(layer, layer + first) for layer in layers]
            dark = browser.execute_script(
                "const canvas = document.querySelector('#view canvas'), pen = canvas.getContext('2d');"
                "const scale = canvas.width / view.width(), line = view.signal('line');"
                "const found = [];"
                "for (let row = 0; row < view.signal('rows'); row++) {"
                " const y = (view.signal('rows') - 0.5 - row) * line;"
                " const [r, g, b] = pen.getImageData(1.5 * scale, y * scale, 1, 1).data;"
                " if (r + g + b < 30) found.push(row); }"
                "return found"
            )
            assert dark == [layer + first for layer in layers]
    choose(browser, skip="none")
    assert not browser.execute_script("return document.querySelectorAll('#rows .skipped').length")


def test_the_axis_is_that_of_the_other_figures(browser):
    rows = "return [...document.querySelectorAll('#rows div')].map((label) => label.lastChild.textContent)"
    assert browser.execute_script(rows) == [str(layer) for layer in range(31, -1, -1)]
    choose(browser, measure="Norm")
    assert browser.execute_script(rows) == [str(depth) for depth in range(32, -1, -1)]


def test_keys_alone_read_the_map(browser):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    for name in ("model", "prompt", "measure", "skip", "step"):
        control = browser.find_element(By.ID, name)
        assert control.accessible_name
        assert control.is_enabled()
    page_map = browser.find_element(By.ID, "map")
    assert "Arrow keys" in page_map.accessible_name
    said = browser.find_element(By.ID, "readout")
    page_map.send_keys(Keys.ARROW_RIGHT)
    assert "Token: <|startoftext|> · Position: 0 (prompt), token id 1 · Layer: 31 " in said.text
    page_map.send_keys(Keys.ARROW_DOWN, Keys.ARROW_RIGHT)
    assert "Position: 1 (prompt)" in said.text
    assert "Layer: 30 " in said.text
    page_map.send_keys(*[Keys.ARROW_RIGHT] * 200)
    last = browser.execute_script("return step().ids.length - 1")
    assert f"Position: {last} (still masked)" in said.text
    page_map.send_keys(Keys.ESCAPE)
    assert said.text == ""


def test_a_narrow_window_scrolls_the_map_alone(made, chromium):
    browser = opened(chromium, made.folder / "paper_figs" / "explore.html", 375, 700)
    whole, map_, inside = browser.execute_script(
        "const map = document.getElementById('map');"
        "return [document.documentElement.scrollWidth, map.clientWidth, map.scrollWidth]"
    )
    assert whole <= 375
    assert map_ < 375 < inside
    # The labels of rows stay in sight.
    left = "return document.getElementById('rows').getBoundingClientRect().left"
    before = browser.execute_script(left)
    browser.execute_script("document.getElementById('map').scrollLeft = 400")
    assert browser.execute_script(left) == before
    found = hover(browser, 3, 40)
    assert found["Position"].startswith("40 ")
    assert severe(browser) == []


HOSTILE = (
    "</script><script>window.broken = 1</script>",
    "<img src=x onerror='window.broken = 2'>",
    "<!--<script>",
    "{{data}}",
    "'\"`${window.broken = 3}\\u003c&lt;",
    "\\u{202e}",
)


def test_hostile_texts_of_tokens_are_shown_as_they_are(made, chromium, tmp_path):
    text = (made.folder / "paper_figs" / "explore.html").read_text()
    data = json.loads(text.split('id="data">')[1].split("</script>")[0])
    [first, *_] = data["models"]
    ids = first["prompts"][0]["steps"][0]["ids"]
    first["tokens"] |= {str(number): token for number, token in zip(ids, HOSTILE, strict=False)}
    expected = [first["tokens"][str(number)] for number in ids]
    first["name"] = first["prompts"][0]["id"] = data["policy"] = HOSTILE[0]
    file = tmp_path / "hostile.html"
    file.write_text(page.html(data, page.library()))
    browser = opened(chromium, file)
    assert browser.execute_script("return view.data('columns').map((column) => column.text)") == expected
    for position, token in enumerate(expected[:6]):
        assert hover(browser, 5, position)["Token"] == token
    choose(browser, measure="Token-wise cosine", skip=f"k = 2 ({HOSTILE[0]})")
    assert browser.execute_script("return window.broken") is None
    assert not browser.execute_script("return document.querySelectorAll('img').length")
    assert severe(browser) == []


def test_without_its_library_it_stops_before_any_work(tmp_path):
    """A dry run plans it all the same."""
    workflow = Workflow(tmp_path)
    (workflow.folder / "small.yaml").write_text(yaml.safe_dump(SMALL))
    (tmp_path / "hide").mkdir()
    (tmp_path / "hide" / "sitecustomize.py").write_text(
        "import importlib.util as u\n"
        "find = u.find_spec\n"
        "u.find_spec = lambda name, *rest: None if name == 'vl_convert' else find(name, *rest)\n"
    )
    hidden = {"PYTHONPATH": str(tmp_path / "hide")}
    run = workflow.snakemake(*RUN, "--cores", "1", **hidden)
    assert run.returncode != 0
    assert f"vl-convert-python): {page.INSTALL}" in run.stdout
    assert not (tmp_path / "results").exists()
    assert workflow.snakemake(*RUN, "-n", **hidden).returncode == 0


def test_the_default_target_does_not_make_it(tmp_path):
    workflow = Workflow(tmp_path)
    assert "explore" not in workflow.jobs()
    assert workflow.jobs("explore")["explore"] == 1


@needs_library
def test_it_is_redrawn_without_weights(made, tmp_path):
    """Tokens are numbers where no tokenizer is; nothing else differs."""
    clone = Workflow(tmp_path)
    clone.take_results(made)
    run = clone.snakemake(*RUN, "--cores", "1", "--config", "redraw=True")
    assert run.returncode == 0, run.stdout[-3000:]
    one, other = (
        json.loads((f / "paper_figs/explore.html").read_text().split('id="data">')[1].split("</script>")[0])
        for f in (made.folder, tmp_path)
    )
    for model in (*one["models"], *other["models"]):
        assert model.pop("has_texts") == (model in one["models"])
        texts = model.pop("tokens")
        assert all(text == f"#{number}" for number, text in texts.items()) == (model in other["models"])
    assert one == other


def test_a_second_call_has_nothing_to_do_and_an_edited_page_is_made_again(made):
    assert "Nothing to be done" in made.snakemake(*RUN, "--cores", "1").stdout
    file = made.folder / "workflow" / "goodpart" / "evaluation" / "explore" / "page.css"
    text = file.read_text()
    file.write_text(f"{text}\n")
    try:
        assert made.jobs(*RUN) == {"explore": 1}
    finally:
        file.write_text(text)
