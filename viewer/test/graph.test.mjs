// The graph's columns, the search over them, and the numbers that people read.
import assert from "node:assert/strict";
import { test } from "node:test";
import { graphData, load } from "./load.mjs";

const { Graph } = await load("graph");
const { find } = await load("search");
const { formatBytes, formatDuration, formatNumber } = await load("format");

const diamond = () =>
  new Graph(
    graphData(4, [
      [0, 1],
      [0, 2],
      [1, 3],
      [2, 3],
    ]),
  );

test("edges are found from both ends", () => {
  const graph = diamond();
  assert.deepEqual([...graph.userEdges(0)], [0, 1]);
  assert.deepEqual([...graph.inputEdges(3)], [2, 3]);
  assert.equal(graph.depth(), 3);
});

test("the paths to the loss hold all that uses a node", () => {
  assert.deepEqual([...diamond().pathsToLoss([1])], [0, 1, 0, 1]);
});

test("the engine's order is followed", () => {
  assert.deepEqual([...diamond().byOrder], [3, 2, 1, 0]);
});

test("a search needs every word, in any column", () => {
  const graph = diamond();
  assert.deepEqual(find(graph, "mul"), [0, 1, 2, 3]);
  assert.deepEqual(find(graph, "mul train.py:3"), [2]);
  assert.deepEqual(find(graph, "SIGMOID"), [1]);
  assert.deepEqual(find(graph, "3x4 sigmoid"), [1]);
  assert.deepEqual(find(graph, "mul nothing"), []);
  assert.deepEqual(find(graph, "  "), []);
});

test("numbers are short and have real signs", () => {
  const cases = [
    [0, "0"],
    [-1.5, "−1.5"],
    [1 / 3, "0.3333"],
    [123456, "123500"],
    [1.5e-9, "1.5e−9"],
    [2e30, "2e30"],
    ["nan", "nan"],
    ["-inf", "−∞"],
    [null, "–"],
  ];
  for (const [value, text] of cases) assert.equal(formatNumber(value), text);
  assert.equal(formatBytes(1536), "1.5 KiB");
  assert.equal(formatDuration(1234), "1.23 ms");
});
