"use strict";

// The data of the page, what is chosen of them, and their values.
const DATA = JSON.parse(document.getElementById("data").textContent);
const MEASURES = {
  layer: {
    name: "Layer-wise cosine",
    long: "Cosine of each layer's input and output",
    rows: "Layers, from 0 (bottom)",
  },
  token: {
    name: "Token-wise cosine",
    long: "Cosine of each token's hidden state and the next token's",
    rows: "Depths, from 0 (bottom, the embedding); depth d is the output of layer d - 1",
  },
  norm: {
    name: "Norm",
    long: "l2 norm of the hidden state (no unit)",
    rows: "Depths, from 0 (bottom, the embedding); depth d is the output of layer d - 1",
  },
};
// Okabe and Ito's colours.
const KINDS = {
  p: { name: "prompt", colour: "#999999" },
  d: { name: "generated", colour: "#0072b2" },
  m: { name: "still masked", colour: "#e69f00" },
};

const DIGITS = 5; // of norms
const chosen = { model: 0, prompt: 0, measure: "layer", skip: "", step: 0 };

const model = () => DATA.models[chosen.model];
const prompt = () => model().prompts[chosen.prompt];
const step = () => prompt().steps[chosen.step];
const token = (position) => model().tokens[step().ids[position]];
const skipped = () => (model().skip_sets.find((set) => String(set.k) === chosen.skip) || { layers: [] }).layers;
const firstRow = () => (chosen.measure === "layer" ? 0 : 1); // the row of layer 0's output
const rowCount = (measure) => model().layers + (measure === "layer" ? 0 : 1);

/** The 16-bit numbers of a base64 text; each text is read once. */
const unpacked = new Map();
function numbers(text) {
  if (!unpacked.has(text)) {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const view = new DataView(bytes.buffer);
    unpacked.set(text, Int16Array.from({ length: bytes.length / 2 }, (_, i) => view.getInt16(2 * i, true)));
  }
  return unpacked.get(text);
}

/** The stored number of a place of this step, or undefined where there is none. */
function stored(measure, row, position) {
  const columns = step().ids.length - (measure === "token" ? 1 : 0);
  const there = row >= 0 && row < rowCount(measure) && position < columns;
  return there ? numbers(step()[measure])[row * columns + position] : undefined;
}

/** The value that a stored number stands for. */
function value(measure, number) {
  if (number === undefined) return undefined;
  if (measure !== "norm") return number / DATA.scale.cosine;
  return number === DATA.scale.zero ? 0 : Math.exp(number / DATA.scale.norm);
}

/** A value as text; cosines are stored with four digits. */
function shown(measure, number) {
  const found = value(measure, number);
  if (found === undefined) return "none";
  if (measure !== "norm") return found.toFixed(4);
  if (found === 0) return "0";
  return found >= 1e6 || found < 1e-3 ? found.toExponential(DIGITS - 1) : String(Number(found.toPrecision(DIGITS)));
}
