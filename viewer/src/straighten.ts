// Straightens a layered drawing. dagre decides the ranks and the order inside each rank; here the
// positions across are found again, so that the heaviest line through a box is a straight one.
//
// Every element asks for the weighted median of its neighbours' positions. The wishes of one rank
// are met as far as the order and the room between elements allow: with positions less the room
// that must lie before them, that is an isotonic regression, solved by pooling adjacent violators.

/** A box, or the point where a long line passes a rank. */
export interface Element {
  rank: number;
  /** Middle, across the direction of the drawing. */
  at: number;
  half: number;
  /** Room to leave beside it. */
  gap: number;
}

/** A stretch of a line between neighbouring ranks, from element `a` down to `b`. */
export interface Link {
  a: number;
  b: number;
  weight: number;
  /** Where the line meets each end, from the end's middle. */
  offsetA: number;
  offsetB: number;
}

interface Wish {
  at: number;
  weight: number;
}

const ROUNDS = 10;

/** Moves the elements' `at`; their order inside a rank stays. */
export function straighten(elements: Element[], links: Link[]): void {
  const ranks = new Map<number, number[]>();
  elements.forEach((element, index) => {
    const rank = ranks.get(element.rank);
    if (rank) rank.push(index);
    else ranks.set(element.rank, [index]);
  });
  const ordered = [...ranks.keys()].sort((a, b) => a - b).map((rank) => ranks.get(rank)!);
  for (const rank of ordered) rank.sort((a, b) => elements[a]!.at - elements[b]!.at);
  const above: Link[][] = elements.map(() => []);
  const below: Link[][] = elements.map(() => []);
  for (const link of links) {
    above[link.b]!.push(link);
    below[link.a]!.push(link);
  }
  const wishes = (index: number, up: boolean, down: boolean): Wish[] => {
    const found: Wish[] = [];
    if (up) {
      for (const { a, offsetA, offsetB, weight } of above[index]!) {
        found.push({ at: elements[a]!.at + offsetA - offsetB, weight });
      }
    }
    if (down) {
      for (const { b, offsetA, offsetB, weight } of below[index]!) {
        found.push({ at: elements[b]!.at + offsetB - offsetA, weight });
      }
    }
    return found;
  };
  const sweep = (list: number[][], up: boolean, down: boolean): void => {
    for (const rank of list) {
      const wanted = rank.map((index) => median(wishes(index, up, down)) ?? elements[index]!.at);
      const strength = rank.map((index) => {
        const all = wishes(index, true, true).reduce((sum, wish) => sum + wish.weight, 0);
        return 0.05 + all * all;
      });
      settle(
        rank.map((index) => elements[index]!),
        wanted,
        strength,
      );
    }
  };
  const reversed = [...ordered].reverse();
  for (let round = 0; round < ROUNDS; round++) {
    sweep(ordered, true, false);
    sweep(reversed, false, true);
  }
  sweep(ordered, true, true);
  sweep(reversed, true, true);
}

/** The middle of the wishes by weight; between the two where they are in balance. */
function median(wishes: Wish[]): number | null {
  if (!wishes.length) return null;
  wishes.sort((a, b) => a.at - b.at);
  const total = wishes.reduce((sum, wish) => sum + wish.weight, 0);
  let before = 0;
  for (let index = 0; index < wishes.length; index++) {
    const wish = wishes[index]!;
    const after = before + wish.weight;
    if (Math.abs(after - total / 2) < 1e-6 * total && index + 1 < wishes.length) {
      return (wish.at + wishes[index + 1]!.at) / 2;
    }
    if (after > total / 2) return wish.at;
    before = after;
  }
  return wishes[wishes.length - 1]!.at;
}

/** Places one rank nearest to what its elements want, in order and with room between them. */
function settle(rank: Element[], wanted: number[], strength: number[]): void {
  const room: number[] = [];
  rank.forEach((element, index) => {
    const last = rank[index - 1];
    room.push(
      last ? room[index - 1]! + last.half + element.half + (last.gap + element.gap) / 2 : 0,
    );
  });
  const blocks: { at: number; weight: number; count: number }[] = [];
  rank.forEach((_, index) => {
    let block = { at: wanted[index]! - room[index]!, weight: strength[index]!, count: 1 };
    for (let last = blocks.at(-1); last && last.at > block.at; last = blocks.at(-1)) {
      blocks.pop();
      const weight = last.weight + block.weight;
      block = {
        at: (last.at * last.weight + block.at * block.weight) / weight,
        weight,
        count: last.count + block.count,
      };
    }
    blocks.push(block);
  });
  let index = 0;
  for (const block of blocks) {
    for (let left = block.count; left > 0; left--, index++)
      rank[index]!.at = block.at + room[index]!;
  }
}
