// Pan and zoom: the mouse, the wheel and touch through d3-zoom, the keyboard through methods.
import { select, type Selection } from "d3-selection";
import "d3-transition";
import { zoom, zoomIdentity, ZoomTransform, type ZoomBehavior } from "d3-zoom";
import { calm } from "./dom";
import type { Rect } from "./layout";

const SMALLEST = 0.04;
const LARGEST = 4;
/** Below this scale words are too small to read: a first view does not go there. */
const READABLE = 0.62;

export class Camera {
  private readonly behaviour: ZoomBehavior<SVGSVGElement, unknown>;
  private readonly selection: Selection<SVGSVGElement, unknown, null, undefined>;
  private listeners: (() => void)[] = [];
  /** Kept here: asking the element makes the browser lay out the page. */
  size = { w: 1, h: 1 };

  constructor(
    private readonly element: SVGSVGElement,
    private readonly world: SVGGElement,
  ) {
    this.selection = select(element);
    this.behaviour = zoom<SVGSVGElement, unknown>()
      .scaleExtent([SMALLEST, LARGEST])
      .extent(() => [
        [0, 0],
        [this.size.w, this.size.h],
      ])
      .filter((event: MouseEvent | WheelEvent) => !event.button && event.type !== "dblclick")
      .wheelDelta((event) => -event.deltaY * (event.deltaMode === 1 ? 0.05 : 0.0022))
      .on("start", (event) => {
        if (event.sourceEvent) element.classList.add("panning");
      })
      .on("end", () => element.classList.remove("panning"))
      .on("zoom", () => {
        this.world.setAttribute("transform", this.transform.toString());
        for (const listener of this.listeners) listener();
      });
    this.selection.call(this.behaviour);
    const measure = (): void => {
      this.size = { w: element.clientWidth || 1, h: element.clientHeight || 1 };
    };
    measure();
    new ResizeObserver(() => {
      measure();
      for (const listener of this.listeners) listener();
    }).observe(element);
  }

  onMove(listener: () => void): void {
    this.listeners.push(listener);
  }

  get transform(): ZoomTransform {
    return (this.element as unknown as { __zoom?: ZoomTransform }).__zoom ?? zoomIdentity;
  }

  set(transform: ZoomTransform): void {
    this.behaviour.transform(this.selection, transform);
  }

  /** Moves there smoothly, at once where motion is not wanted. */
  glide(transform: ZoomTransform, duration = 320): void {
    if (calm()) this.set(transform);
    else this.behaviour.transform(this.selection.transition().duration(duration), transform);
  }

  zoomBy(factor: number): void {
    const { w, h } = this.size;
    const { x, y, k } = this.transform;
    const scale = Math.max(SMALLEST, Math.min(LARGEST, k * factor));
    const ratio = scale / k;
    const cx = w / 2;
    const cy = h / 2;
    this.glide(transformOf(cx - (cx - x) * ratio, cy - (cy - y) * ratio, scale), 160);
  }

  /** The view that shows the whole rectangle. */
  fitting(rect: Rect, margin = 56, largest = 1.3): ZoomTransform {
    const { w, h } = this.size;
    const k = Math.max(
      SMALLEST,
      Math.min(largest, (w - 2 * margin) / rect.w, (h - 2 * margin) / rect.h),
    );
    const x = (w - rect.w * k) / 2 - rect.x * k;
    return transformOf(x, (h - rect.h * k) / 2 - rect.y * k, k);
  }

  /** The first view: everything, if it can be read so; else its beginning. */
  opening(rect: Rect, vertical: boolean): ZoomTransform {
    const all = this.fitting(rect);
    if (all.k >= READABLE) return all;
    const { w, h } = this.size;
    const margin = 36;
    const across = vertical ? (w - 2 * margin) / rect.w : (h - 2 * margin) / rect.h;
    const k = Math.max(READABLE, Math.min(1, across));
    const centreX = (w - rect.w * k) / 2 - rect.x * k;
    const centreY = (h - rect.h * k) / 2 - rect.y * k;
    return vertical
      ? transformOf(centreX, margin - rect.y * k, k)
      : transformOf(margin - rect.x * k, centreY, k);
  }

  /** The nearest view to `base` in which the rectangle is seen. */
  showing(rect: Rect, base: ZoomTransform = this.transform): ZoomTransform {
    const { w, h } = this.size;
    const margin = 52;
    let k = base.k;
    const fit = Math.min((w - 2 * margin) / rect.w, (h - 2 * margin) / rect.h);
    if (fit < k && fit >= READABLE) k = fit;
    else if (fit < k) {
      // Too long to be seen whole: its breadth decides, and its beginning is shown.
      const breadth = rect.h > rect.w ? (w - 2 * margin) / rect.w : (h - 2 * margin) / rect.h;
      k = Math.min(k, Math.max(READABLE, breadth));
    }
    // Keep the middle of the rectangle where it is, then push it into the view.
    const middleX = base.applyX(rect.x + rect.w / 2);
    const middleY = base.applyY(rect.y + rect.h / 2);
    const x = axis(middleX - (rect.w * k) / 2, rect.w * k, w, margin) - rect.x * k;
    const y = axis(middleY - (rect.h * k) / 2, rect.h * k, h, margin) - rect.y * k;
    return transformOf(x, y, k);
  }

  /** A view with the rectangle in the middle; the present one if it is well in view. */
  meeting(rect: Rect): ZoomTransform {
    const { w, h } = this.size;
    const { transform } = this;
    const left = transform.applyX(rect.x);
    const top = transform.applyY(rect.y);
    const right = transform.applyX(rect.x + rect.w);
    const bottom = transform.applyY(rect.y + rect.h);
    const small = transform.k < 0.45;
    if (!small && left > 20 && right < w - 60 && top > 48 && bottom < h - 130) return transform;
    if (rect.w * transform.k > w - 120 || rect.h * transform.k > h - 200) return this.showing(rect);
    const k = small ? 0.8 : transform.k;
    return transformOf(w / 2 - (rect.x + rect.w / 2) * k, h / 2 - (rect.y + rect.h / 2) * k, k);
  }
}

/** Start of an interval of `length`, pushed inside the view; a long one begins at its margin. */
function axis(start: number, length: number, view: number, margin: number): number {
  if (length > view - 2 * margin) return margin;
  return Math.max(margin, Math.min(view - margin - length, start));
}

export function transformOf(x: number, y: number, k: number): ZoomTransform {
  return zoomIdentity.translate(x, y).scale(k);
}
