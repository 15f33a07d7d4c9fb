// A fold is a tree of groups over the nodes. Items are numbers too: a node is itself, group g is
// graph.size + g, and the group around everything is -1.
import type { Graph } from "./graph";
import type { FoldData } from "./payload";

/** A group with more direct members is cut into parts, so that unfolding never floods the page. */
const MAX_MEMBERS = 96;
const PART = 48;

export interface GroupInfo {
  parent: number;
  label: string;
  kind: "module" | "line" | "repeat" | "part";
  repeats: number;
  detail: string;
}

/** The label without the count, which is drawn by itself. */
function plainLabel(label: string, repeats: number): string {
  return repeats > 1 ? label.replace(new RegExp(`\\s*×\\s*${repeats}$`), "") : label;
}

export class Fold {
  readonly groups: GroupInfo[] = [];
  /** The innermost group of each node. */
  readonly groupOf: Int32Array;
  /** Nodes inside each group, at all depths. */
  count = new Int32Array(0);
  private memberLists: number[][] = [];
  private depth = new Int32Array(0);
  private bucketStart: Int32Array | null = null;
  private bucketList: Int32Array | null = null;

  constructor(
    readonly graph: Graph,
    data: FoldData | null,
  ) {
    this.groupOf = data ? Int32Array.from(data.group) : new Int32Array(graph.size).fill(-1);
    for (const group of data?.groups ?? []) {
      this.groups.push({
        parent: group.parent,
        label: plainLabel(graph.text(group.label), group.repeats),
        kind: group.kind,
        repeats: group.repeats || 1,
        detail: graph.text(group.detail),
      });
    }
    this.index();
    while (this.cutOversized()) this.index();
  }

  isGroup(item: number): boolean {
    return item >= this.graph.size;
  }

  group(item: number): GroupInfo {
    return this.groups[item - this.graph.size]!;
  }

  groupItem(group: number): number {
    return this.graph.size + group;
  }

  /** The group directly around an item, -1 at the top. */
  parentOf(item: number): number {
    return this.isGroup(item) ? this.group(item).parent : this.groupOf[item]!;
  }

  /** Direct members of group (an index, -1 for the top), in the order of their first nodes. */
  members(group: number): number[] {
    return this.memberLists[group + 1]!;
  }

  /** The member of `group` that is or holds `node`, which must lie inside. */
  memberOf(node: number, group: number): number {
    let item = node;
    let parent = this.groupOf[node]!;
    while (parent !== group) {
      item = this.groupItem(parent);
      parent = this.groups[parent]!.parent;
    }
    return item;
  }

  /** Group indices from the outermost to the one directly around the item. */
  ancestors(item: number): number[] {
    const chain: number[] = [];
    for (let group = this.parentOf(item); group >= 0; group = this.groups[group]!.parent) {
      chain.push(group);
    }
    return chain.reverse();
  }

  /** All nodes of an item. */
  nodesIn(item: number): number[] {
    if (!this.isGroup(item)) return [item];
    const nodes: number[] = [];
    const stack = [item];
    while (stack.length) {
      const top = stack.pop()!;
      if (!this.isGroup(top)) nodes.push(top);
      else for (const member of this.members(top - this.graph.size)) stack.push(member);
    }
    return nodes.sort((a, b) => a - b);
  }

  countOf(item: number): number {
    return this.isGroup(item) ? this.count[item - this.graph.size]! : 1;
  }

  /** Edges whose ends meet in `group`: between two of its direct members. */
  edgesAt(group: number): Int32Array {
    if (!this.bucketStart || !this.bucketList) this.fillBuckets();
    return this.bucketList!.subarray(this.bucketStart![group + 1]!, this.bucketStart![group + 2]!);
  }

  private index(): void {
    const groups = this.groups.length;
    const first = new Int32Array(groups).fill(2147483647);
    this.count = new Int32Array(groups);
    this.depth = new Int32Array(groups);
    this.memberLists = Array.from({ length: groups + 1 }, () => []);
    for (let group = 0; group < groups; group++) {
      const parent = this.groups[group]!.parent;
      this.depth[group] = parent < 0 ? 1 : this.depth[parent]! + 1;
    }
    for (let node = 0; node < this.graph.size; node++) {
      const group = this.groupOf[node]!;
      this.memberLists[group + 1]!.push(node);
      if (group >= 0) {
        first[group] = Math.min(first[group]!, node);
        this.count[group]!++;
      }
    }
    // Parents come before their children, so a walk from the end sums from the inside out.
    for (let group = groups - 1; group >= 0; group--) {
      const parent = this.groups[group]!.parent;
      if (this.count[group] === 0) continue;
      this.memberLists[parent + 1]!.push(this.groupItem(group));
      if (parent >= 0) {
        first[parent] = Math.min(first[parent]!, first[group]!);
        this.count[parent]! += this.count[group]!;
      }
    }
    const position = (item: number): number =>
      this.isGroup(item) ? first[item - this.graph.size]! : item;
    for (const list of this.memberLists) list.sort((a, b) => position(a) - position(b));
  }

  /** Cuts every oversized group into parts of consecutive members; false when there is none. */
  private cutOversized(): boolean {
    const added: GroupInfo[] = [];
    const base = this.groups.length;
    this.memberLists.forEach((members, index) => {
      if (members.length <= MAX_MEMBERS) return;
      // At most PART parts, so that a long list nests instead of growing wide.
      const size = Math.max(PART, Math.ceil(members.length / PART));
      for (let start = 0; start < members.length; start += size) {
        const last = Math.min(start + size, members.length);
        for (const item of members.slice(start, last)) {
          if (this.isGroup(item)) this.group(item).parent = base + added.length;
          else this.groupOf[item] = base + added.length;
        }
        added.push({
          parent: index - 1,
          label: `${start + 1}–${last}`,
          kind: "part",
          repeats: 1,
          detail: `members ${start + 1} to ${last} of ${members.length}`,
        });
      }
    });
    this.groups.push(...added);
    if (added.length) this.renumber();
    return added.length > 0;
  }

  /** Restores the order "parents before children". */
  private renumber(): void {
    const depthOf = (group: number): number => {
      let depth = 0;
      for (let at = group; at >= 0; at = this.groups[at]!.parent) depth++;
      return depth;
    };
    const depths = this.groups.map((_, group) => depthOf(group));
    const order = this.groups.map((_, group) => group).sort((a, b) => depths[a]! - depths[b]!);
    const place = new Int32Array(order.length);
    order.forEach((group, position) => (place[group] = position));
    const sorted = order.map((group) => this.groups[group]!);
    for (const group of sorted) if (group.parent >= 0) group.parent = place[group.parent]!;
    this.groups.splice(0, this.groups.length, ...sorted);
    for (let node = 0; node < this.graph.size; node++) {
      const group = this.groupOf[node]!;
      if (group >= 0) this.groupOf[node] = place[group]!;
    }
  }

  private meeting(a: number, b: number): number {
    while (a !== b) {
      const deepA = a < 0 ? 0 : this.depth[a]!;
      const deepB = b < 0 ? 0 : this.depth[b]!;
      if (deepA >= deepB) a = this.groups[a]!.parent;
      if (deepB >= deepA) b = this.groups[b]!.parent;
    }
    return a;
  }

  private fillBuckets(): void {
    const { source, target, edgeCount } = this.graph;
    const at = new Int32Array(edgeCount);
    const start = new Int32Array(this.groups.length + 2);
    for (let edge = 0; edge < edgeCount; edge++) {
      at[edge] = this.meeting(this.groupOf[source[edge]!]!, this.groupOf[target[edge]!]!);
      start[at[edge]! + 2]!++;
    }
    for (let index = 1; index < start.length; index++) start[index]! += start[index - 1]!;
    const next = start.slice(0, -1);
    const list = new Int32Array(edgeCount);
    for (let edge = 0; edge < edgeCount; edge++) list[next[at[edge]! + 1]!++] = edge;
    this.bucketStart = start;
    this.bucketList = list;
  }
}
