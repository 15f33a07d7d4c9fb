// Folds and scenes: every node has its place, every edge is drawn once or counted as left out.
import assert from "node:assert/strict";
import { test } from "node:test";
import { graphData, load } from "./load.mjs";

const { Graph } = await load("graph");
const { Fold } = await load("folds");
const { buildLevel, countBoxes, quietEdges } = await load("scene");

const chain = (size) => Array.from({ length: size - 1 }, (_, node) => [node, node + 1]);

/** Nodes 0–3 outside, 4–7 in group 0, of which 6 and 7 are in group 1. */
function nested() {
  const graph = new Graph(graphData(8, chain(8)));
  const group = [-1, -1, -1, -1, 0, 0, 1, 1];
  const one = { label: -1, kind: "module", count: 0, repeats: 1, detail: -1 };
  const fold = new Fold(graph, {
    group,
    groups: [
      { ...one, parent: -1 },
      { ...one, parent: 0 },
    ],
  });
  return { graph, fold };
}

test("members stand in the order of recording", () => {
  const { fold } = nested();
  assert.deepEqual(fold.members(-1), [0, 1, 2, 3, 8]);
  assert.deepEqual(fold.members(0), [4, 5, 9]);
  assert.deepEqual(fold.nodesIn(8), [4, 5, 6, 7]);
  assert.equal(fold.countOf(8), 4);
});

test("an edge belongs to the innermost group around both ends", () => {
  const { fold } = nested();
  assert.deepEqual([...fold.edgesAt(-1)], [0, 1, 2, 3]);
  assert.deepEqual([...fold.edgesAt(0)], [4, 5]);
  assert.deepEqual([...fold.edgesAt(1)], [6]);
});

test("a long list is cut into parts, and parts into parts", () => {
  const graph = new Graph(graphData(10000, chain(10000)));
  const fold = new Fold(graph, null);
  for (let group = -1; group < fold.groups.length; group++) {
    assert.ok(fold.members(group).length <= 96);
  }
  const top = fold.members(-1);
  assert.equal(
    top.reduce((sum, item) => sum + fold.countOf(item), 0),
    10000,
  );
  fold.groups.forEach((group, index) => assert.ok(group.parent < index));
});

test("unfolding continues the lines inside through ports", () => {
  const { fold } = nested();
  const level = buildLevel(fold, -1, new Set([8]));
  const inner = level.children.get(8);
  assert.equal(countBoxes(level), 4 + 3);
  assert.equal(inner.ports.length, 1);
  assert.deepEqual(
    inner.edges.map((edge) => edge.raw),
    [[4], [5], [3]],
  );
});

test("a variable that everything uses keeps few lines; the others are counted", () => {
  const size = 40;
  const edges = [...chain(size), ...Array.from({ length: size - 2 }, (_, node) => [0, node + 2])];
  const graph = new Graph(graphData(size, edges));
  const level = buildLevel(new Fold(graph, null), -1, new Set());
  const drawn = level.edges.reduce((sum, edge) => sum + edge.raw.length, 0);
  assert.equal(drawn + quietEdges(level).length, edges.length);
  assert.ok(level.edges.filter((edge) => edge.from === 0).length <= 3);
  const reached = new Set(level.edges.map((edge) => edge.to));
  assert.equal(reached.size, size - 1);
});
