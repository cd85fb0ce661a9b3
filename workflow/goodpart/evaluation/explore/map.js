// The map as Vega draws it. page.js gives it the signals and the data.

// Each quarter of the colours has a quarter of a model's values, so that layers whose cosines are all near 1 differ.
const RANGE = ["#440154", "#3b528b", "#21918c", "#5ec962", "#fde725"]; // viridis
const FONT = "11px ui-monospace, monospace";
const CELL = [13, 26], LINE = [12, 19]; // least and largest width and height of a cell, in pixels
const BAND = 9, GAP = 4; // height of the band of kinds, and space around it
const LONGEST = 150; // pixels of a token's text on the axis

const SPEC = {
  $schema: "https://vega.github.io/schema/vega/v6.json",
  autosize: "none",
  padding: 0,
  signals: [
    { name: "cell", value: 14 },
    { name: "line", value: 14 },
    { name: "rows", value: 1 },
    { name: "span", value: [0, 1, 2, 3, 4] },
    { name: "end", value: 0 },
    { name: "foot", update: `rows * line + ${GAP}` },
  ],
  data: [{ name: "cells" }, { name: "columns" }, { name: "skipped" }, { name: "cursor" }],
  scales: [{ name: "shade", type: "linear", domain: { signal: "span" }, range: RANGE, clamp: true }],
  marks: [
    {
      type: "rect",
      interactive: false,
      encode: { update: {
        width: { signal: "width" }, height: { signal: "rows * line" }, fill: { value: "#eeeeee" },
      } },
    },
    {
      type: "rect",
      from: { data: "cells" },
      encode: { update: {
        x: { signal: "datum.position * cell" },
        y: { signal: "(rows - 1 - datum.row) * line" },
        width: { signal: "cell" },
        height: { signal: "line" },
        fill: { scale: "shade", field: "number" },
        tooltip: { signal: "datum" },
      } },
    },
    // Where the prompt ends; a wide white line under a black one can be seen on every colour.
    ...[["#ffffff", 3], ["#000000", 1]].map(([colour, width]) => ({
      type: "rule",
      interactive: false,
      encode: { update: {
        x: { signal: "end * cell" }, y: { value: 0 }, y2: { signal: `foot + ${BAND}` },
        stroke: { value: colour }, strokeWidth: { value: width },
      } },
    })),
    ...[["#ffffff", 4], ["#000000", 2]].map(([colour, width]) => ({
      type: "rect",
      from: { data: "skipped" },
      interactive: false,
      encode: { update: {
        x: { value: 2 },
        width: { signal: "width - 4" },
        y: { signal: "(rows - 1 - datum.row) * line" },
        height: { signal: "line" },
        stroke: { value: colour },
        strokeWidth: { value: width },
      } },
    })),
    {
      type: "rect",
      from: { data: "columns" },
      encode: { update: {
        x: { signal: "datum.position * cell" },
        width: { signal: "cell - 1" },
        y: { signal: "foot" },
        height: { value: BAND },
        fill: { field: "colour" },
        tooltip: { signal: "datum" },
      } },
    },
    {
      type: "text",
      from: { data: "columns" },
      encode: { update: {
        x: { signal: "(datum.position + 0.5) * cell" },
        y: { signal: `foot + ${BAND + GAP}` },
        angle: { value: -90 },
        align: { value: "right" },
        baseline: { value: "middle" },
        text: { field: "text" },
        limit: { value: LONGEST },
        font: { value: "ui-monospace, monospace" },
        fontSize: { value: 11 },
        fontStyle: { field: "style" },
        fill: { value: "#222222" },
        tooltip: { signal: "datum" },
      } },
    },
    {
      type: "rect",
      from: { data: "cursor" },
      interactive: false,
      encode: { update: {
        x: { signal: "datum.position * cell" },
        width: { signal: "cell" },
        y: { signal: "(rows - 1 - datum.row) * line" },
        height: { signal: "line" },
        stroke: { value: "#d55e00" },
        strokeWidth: { value: 2.5 },
      } },
    },
  ],
};
