// The lists, the map's signals and data, and what is shown of a place.
const at = (id) => document.getElementById(id);
let view; // of Vega
let cursor = null; // row and position under the mouse or the keyboard

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function fill(select, options, selected) {
  select.replaceChildren(...options.map(([key, text]) => {
    const option = element("option", text);
    option.value = key;
    option.selected = String(key) === String(selected);
    return option;
  }));
}

/** Fill the lists that depend on the model; keep what was chosen where the new model has it. */
function fillModel() {
  chosen.prompt = Math.min(chosen.prompt, model().prompts.length - 1);
  fill(at("prompt"), model().prompts.map((one, i) => [i, `${one.benchmark}: ${one.id}`]), chosen.prompt);
  const sets = model().skip_sets;
  if (chosen.skip && !sets.some((set) => String(set.k) === chosen.skip)) {
    chosen.skip = sets.length ? String(sets[sets.length - 1].k) : "";
  }
  const text = ({ k, layers }) => {
    const found = layers.length === k ? "" : `, ${layers.length} found`;
    return `k = ${k}${found} (${DATA.policy})`;
  };
  fill(at("skip"), [["", "none"], ...sets.map((set) => [set.k, text(set)])], chosen.skip);
}

function fillStep() {
  const steps = prompt().steps;
  chosen.step = Math.min(chosen.step, steps.length - 1);
  const slider = at("step");
  slider.max = steps.length - 1;
  slider.value = chosen.step;
  slider.disabled = steps.length < 2;
  const masked = step().kinds.split("m").length - 1;
  const generated = step().kinds.replaceAll("p", "").length;
  const captured = steps.length < 10 ? `of ${steps.map((one) => one.step).join(", ")}` : `of ${steps.length} steps`;
  const single = steps.length < 2 && masked === 0;
  const text = single
    ? "one pass over prompt and completion"
    : `${step().step} (${captured}), ${masked} of ${generated} tokens masked`;
  at("step-text").textContent = text;
  slider.setAttribute("aria-valuetext", text);
}

/** Pixels of the longest text of this step's tokens, as far as the axis shows it. */
function textLength(texts) {
  const context = at("ramp").getContext("2d");
  context.font = FONT;
  return Math.min(LONGEST, Math.max(...texts.map((text) => Math.ceil(context.measureText(text).width)))) + 4;
}

/** Draw all that was chosen. */
function draw() {
  const { measure } = chosen;
  const rows = rowCount(measure);
  const { ids, kinds } = step();
  const marked = skipped();
  const limits = (size, [least, most]) => Math.max(least, Math.min(most, Math.floor(size)));
  const line = limits((window.innerHeight - 400) / rows, LINE);
  drawRows(rows, line, marked);
  const cell = limits((document.body.clientWidth - at("rows").offsetWidth - 4) / ids.length, CELL);
  const cells = [];
  for (let row = 0; row < rows; row++) {
    for (let position = 0; position < ids.length; position++) {
      const number = stored(measure, row, position);
      if (number !== undefined) cells.push({ row, position, number });
    }
  }
  const columns = ids.map((id, position) => ({
    position,
    text: token(position),
    colour: KINDS[kinds[position]].colour,
    style: kinds[position] === "m" ? "italic" : "normal",
  }));
  const foot = rows * line + 2 * GAP + BAND + textLength(columns.map((column) => column.text)) + GAP;
  view
    .signal("cell", cell).signal("line", line).signal("rows", rows)
    .signal("span", model().spans[measure])
    .signal("end", kinds.lastIndexOf("p") + 1)
    .data("cells", cells)
    .data("columns", columns)
    .data("skipped", marked.map((layer) => ({ row: layer + firstRow() })))
    .width(ids.length * cell).height(foot)
    .run();
  drawLegend(measure);
  const where = `${model().name}, ${prompt().benchmark}: ${prompt().id}`;
  at("map").setAttribute("aria-label", `${MEASURES[measure].long}: ${where}. Arrow keys read it cell by cell.`);
  if (cursor) point(cursor.row === undefined || cursor.row < rows ? cursor : { ...cursor, row: rows - 1 }, null);
}

function drawRows(rows, line, marked) {
  const labels = [];
  for (let row = rows - 1; row >= 0; row--) {
    const layer = row - firstRow(), chosenRow = marked.includes(layer);
    const label = element("div", row, chosenRow ? "skipped" : "");
    if (chosenRow) label.prepend(element("span", firstRow() ? `skip ${layer} → ` : "skip "));
    label.style.height = label.style.lineHeight = `${line}px`;
    labels.push(label);
  }
  at("rows").replaceChildren(...labels);
  at("rows-name").textContent = `${MEASURES[chosen.measure].rows}, by tokens`;
}

function drawLegend(measure) {
  at("scale-name").textContent = MEASURES[measure].long;
  const span = model().spans[measure];
  const largest = measure !== "norm" && span[4] === DATA.scale.cosine; // no cosine is above 1
  const signs = ["≤ ", "", "", "", largest ? "" : "≥ "];
  at("ticks").replaceChildren(...span.map((number, i) => {
    const tick = element("span", signs[i] + shown(measure, number));
    tick.style.left = `${25 * i}%`;
    tick.style.transform = `translateX(-${25 * i}%)`;
    return tick;
  }));
  const ramp = at("ramp"), context = ramp.getContext("2d"), colour = view.scale("shade");
  for (let x = 0; x < ramp.width; x++) {
    const place = (4 * x) / ramp.width, low = Math.floor(place);
    context.fillStyle = colour(span[low] + (place - low) * (span[low + 1] - span[low]));
    context.fillRect(x, 0, 1, ramp.height);
  }
  const items = Object.entries(KINDS).filter(([kind]) => prompt().steps.some((one) => one.kinds.includes(kind)));
  at("kinds").replaceChildren(...items.map(([, kind]) => {
    const item = element("li");
    const box = element("i");
    box.style.background = kind.colour;
    item.append(box, kind.name);
    return item;
  }));
  if (skipped().length) {
    const item = element("li");
    item.append(element("i", undefined, "skipped"), measure === "layer" ? "layer of the skip set" : "output of a layer of the skip set");
    at("kinds").append(item);
  }
}

/** What the page says of one cell, or of one token where there is no row. */
function facts({ row, position }) {
  const kind = KINDS[step().kinds[position]].name;
  const next = position + 1 < step().ids.length ? token(position + 1) : null;
  const found = [["Token", token(position)], ["Position", `${position} (${kind}), token id ${step().ids[position]}`]];
  if (row === undefined) return found;
  const layer = row - firstRow();
  const depth = layer + 1;
  const name = layer < 0 ? "none: the embedding (depth 0)" : `${layer} (its output is depth ${depth})`;
  found.push(["Layer", skipped().includes(layer) ? `${name}, in the skip set` : name]);
  if (next !== null) found.push(["Next token", next]);
  const measured = { layer: [layer, "Cosine of input and output"],
    token: [depth, "Cosine with next token"],
    norm: [depth, "Norm"] };
  for (const [measure, [line, name]] of Object.entries(measured)) {
    if (measure !== "layer" || layer >= 0) {
      found.push([name, shown(measure, stored(measure, line, position)), measure]);
    }
  }
  return found;
}

/** Show the values of a place, beside the mouse if `event` is of one, else in the line below the map. */
function point(place, event) {
  cursor = { row: place.row, position: Math.min(place.position, step().ids.length - 1) };
  view.data("cursor", cursor.row === undefined ? [] : [cursor]).runAsync();
  const found = facts(cursor);
  const tip = at("tip");
  if (!event) {
    tip.hidden = true;
    at("readout").textContent = found.map(([name, text]) => `${name}: ${text}`).join(" · ");
    return;
  }
  at("readout").textContent = "";
  const table = element("table");
  for (const [name, text, measure] of found) {
    const line = element("tr", undefined, measure === chosen.measure ? "chosen" : "");
    const cell = element("td");
    cell.append(name === "Token" ? element("b", text) : text);
    line.append(element("td", name), cell);
    table.append(line);
  }
  tip.replaceChildren(table);
  tip.hidden = false;
  const { width, height } = tip.getBoundingClientRect();
  const beside = (mouse, size, whole) => Math.max(4, mouse + 14 + size < whole ? mouse + 14 : mouse - 14 - size);
  tip.style.left = `${beside(event.clientX, width, document.documentElement.clientWidth)}px`;
  tip.style.top = `${beside(event.clientY, height, window.innerHeight)}px`;
}

function leave() {
  cursor = null;
  at("tip").hidden = true;
  view.data("cursor", []).runAsync();
}

/** Move the cell that is read by an arrow key, and keep it in sight. */
function move(event) {
  const moves = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [1, 0], ArrowDown: [-1, 0] };
  if (event.key === "Escape") {
    leave();
    at("readout").textContent = "";
  }
  if (!(event.key in moves)) return;
  event.preventDefault();
  const [up, right] = moves[event.key];
  const last = { row: rowCount(chosen.measure) - 1, position: step().ids.length - 1 };
  const within = (number, most) => Math.max(0, Math.min(most, number));
  const from = cursor && cursor.row !== undefined ? cursor : { row: last.row + 1, position: -1 };
  const start = from.position < 0;
  const row = start ? last.row : within(from.row + up, last.row);
  const position = start ? 0 : within(from.position + right, last.position);
  point({ row, position }, null);
  const map = at("map"), cell = view.signal("cell"), inside = map.clientWidth - at("rows").offsetWidth;
  const left = position * cell;
  if (left < map.scrollLeft) map.scrollLeft = left;
  if (left + cell > map.scrollLeft + inside) map.scrollLeft = left + cell - inside;
}

function notes() {
  const { cosine, norm } = DATA.scale;
  const digits = (number) => String(Number(number.toPrecision(2)));
  const lines = [
    `Values are rounded: cosines are exact to ±${digits(0.5 / cosine)}, norms to ±${digits(100 * (0.5 / norm + 5 * 10 ** -DIGITS))} %. ` +
      "Each quarter of the colours has a quarter of the model's values, of all its prompts and steps on this page.",
    "␣ is a space, ↵ a line break, ⇥ a tab; other characters that cannot be seen are written as \\u{code}. " +
      "Columns of masked positions show the mask token.",
  ];
  if (!DATA.static) lines.push(`The skip sets of the policy ${DATA.policy} differ by prompt or phase and are not drawn.`);
  if (!DATA.complete) lines.push("The page has the first prompts only: all of them would make it too large.");
  const without = DATA.models.filter((one) => !one.has_texts).map((one) => one.name);
  if (without.length) lines.push(`Tokens are shown by number where no tokenizer was found: ${without.join(", ")}.`);
  at("notes").replaceChildren(...lines.map((line) => element("p", line)));
}

async function start() {
  const tooltip = (_, event, item, datum) => (datum ? point(datum, event) : leave());
  const options = { mode: "vega", renderer: "canvas", actions: false, defaultStyle: false, tooltip };
  ({ view } = await vegaEmbed(at("view"), SPEC, options));
  const [first] = DATA.models;
  const largest = first.skip_sets[first.skip_sets.length - 1];
  chosen.skip = largest ? String(largest.k) : "";
  fill(at("model"), DATA.models.map((one, i) => [i, one.label ? `${one.name} (${one.label})` : one.name]), 0);
  fill(at("measure"), Object.entries(MEASURES).map(([key, one]) => [key, one.name]), chosen.measure);
  const change = (id, set) => at(id).addEventListener(id === "step" ? "input" : "change", () => {
    set(at(id).value);
    fillStep();
    draw();
  });
  change("model", (key) => { chosen.model = Number(key); fillModel(); });
  change("prompt", (key) => { chosen.prompt = Number(key); });
  change("measure", (key) => { chosen.measure = key; });
  change("skip", (key) => { chosen.skip = key; });
  change("step", (key) => { chosen.step = Number(key); });
  at("controls").addEventListener("submit", (event) => event.preventDefault());
  at("map").addEventListener("keydown", move);
  at("view").addEventListener("mouseleave", leave);
  window.addEventListener("resize", draw);
  fillModel();
  fillStep();
  notes();
  draw();
}

start();
