// The geometry of lines: smooth paths through the points of a layout, and their in-betweens.
import { curveMonotoneX, curveMonotoneY, line } from "d3-shape";
import type { Direction, Point } from "./layout";

const down = line<Point>(
  (p) => p.x,
  (p) => p.y,
).curve(curveMonotoneY);
const right = line<Point>(
  (p) => p.x,
  (p) => p.y,
).curve(curveMonotoneX);

/** The path through `points`, which leaves and arrives along the direction of the drawing. */
export function pathThrough(points: Point[], direction: Direction): string {
  return (direction === "down" ? down(points) : right(points)) ?? "";
}

/** Points `count` evenly spread over the polyline, ends included. */
export function resample(points: Point[], count: number): Point[] {
  const lengths = [0];
  for (let at = 1; at < points.length; at++) {
    const a = points[at - 1]!;
    const b = points[at]!;
    lengths.push(lengths[at - 1]! + Math.hypot(b.x - a.x, b.y - a.y));
  }
  const total = lengths[lengths.length - 1]!;
  const result: Point[] = [];
  let at = 1;
  for (let index = 0; index < count; index++) {
    const want = (total * index) / (count - 1);
    while (at < points.length - 1 && lengths[at]! < want) at++;
    const a = points[at - 1]!;
    const b = points[at] ?? a;
    const span = (lengths[at] ?? 0) - lengths[at - 1]!;
    const part = span > 0 ? Math.min(1, (want - lengths[at - 1]!) / span) : 0;
    result.push({ x: a.x + (b.x - a.x) * part, y: a.y + (b.y - a.y) * part });
  }
  return result;
}

export function between(from: Point[], to: Point[], part: number): Point[] {
  return to.map((point, index) => {
    const old = from[index]!;
    return { x: old.x + (point.x - old.x) * part, y: old.y + (point.y - old.y) * part };
  });
}
