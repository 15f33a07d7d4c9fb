// Positions: ranks follow the edges, crossings are searched away, straightening keeps the order.
import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "./load.mjs";

const { straighten } = await load("straighten");
const { forgetLayouts, place } = await load("layout");

test("straightening keeps order and room, and puts a chain on one line", () => {
  const element = (rank, at, half = 10) => ({ rank, at, half, gap: 6 });
  const elements = [element(0, 50), element(1, 0), element(1, 30), element(2, 90)];
  const link = (a, b, weight) => ({ a, b, weight, offsetA: 0, offsetB: 0 });
  straighten(elements, [link(0, 1, 5), link(1, 3, 5), link(0, 2, 1), link(2, 3, 1)]);
  assert.ok(elements[2].at - elements[1].at >= 26 - 1e-6);
  assert.ok(Math.abs(elements[0].at - elements[1].at) < 1);
  assert.ok(Math.abs(elements[3].at - elements[1].at) < 1);
});

/** A level of plain nodes, as scene.ts builds it. */
function level(size, pairs) {
  const edges = pairs.map(([from, to]) => ({
    key: `-1:${from}>${to}`,
    from,
    to,
    raw: [0],
    fromPort: null,
    toPort: null,
  }));
  const items = Array.from({ length: size }, (_, item) => item);
  return { group: -1, items, edges, ports: [], children: new Map(), quiet: [] };
}

const measure = {
  extent: () => ({ w: 40, h: 20, body: { x: 0, y: 0, w: 40, h: 20 }, round: false }),
  label: () => null,
  title: () => 100,
  straight: false,
};

test("users stand below what they use, boxes apart", () => {
  const pairs = [
    [0, 2],
    [1, 2],
    [2, 3],
    [0, 3],
  ];
  const { boxes, edges } = place(level(4, pairs), "down", measure);
  const box = new Map(boxes.map((one) => [one.item, one]));
  for (const [from, to] of pairs) assert.ok(box.get(from).y + 20 < box.get(to).y);
  for (const a of boxes) {
    for (const b of boxes) {
      assert.ok(a === b || Math.abs(a.x - b.x) >= 40 || Math.abs(a.y - b.y) >= 20);
    }
  }
  assert.equal(edges.length, 4);
});

test("a variable stands right above its user, not at the top", () => {
  forgetLayouts();
  const { boxes } = place(
    level(5, [
      [0, 1],
      [1, 2],
      [2, 4],
      [3, 4],
    ]),
    "down",
    measure,
  );
  const y = new Map(boxes.map((box) => [box.item, box.y]));
  assert.equal(y.get(3), y.get(2));
});
