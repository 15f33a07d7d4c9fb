// A small map of the picture, with the part that is seen marked; click or drag to go there.
import { transformOf, type Camera } from "./camera";
import { byId } from "./dom";
import type { Drawing } from "./drawing";

const WIDTH = 168;
const HEIGHT = 112;

export class Minimap {
  private readonly canvas = byId<HTMLCanvasElement>("minimap");
  private pending = 0;
  private colours: { box: string; around: string; view: string } | null = null;

  constructor(
    private readonly drawing: Drawing,
    private readonly camera: Camera,
  ) {
    const ratio = Math.min(2, devicePixelRatio || 1);
    this.canvas.width = WIDTH * ratio;
    this.canvas.height = HEIGHT * ratio;
    const later = (): void => {
      if (!this.pending) this.pending = requestAnimationFrame(() => this.paint(ratio));
    };
    drawing.onDraw(later);
    camera.onMove(later);
    const recolour = (): void => {
      this.colours = null;
      later();
    };
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour);
    document.addEventListener("themechange", recolour);
    this.canvas.addEventListener("pointerdown", (event) => {
      this.canvas.setPointerCapture(event.pointerId);
      this.go(event);
    });
    this.canvas.addEventListener("pointermove", (event) => {
      if (this.canvas.hasPointerCapture(event.pointerId)) this.go(event);
    });
  }

  private frame(): { k: number; x: number; y: number } {
    const { bounds } = this.drawing.picture;
    const k = Math.min((WIDTH - 12) / bounds.w, (HEIGHT - 12) / bounds.h);
    return { k, x: (WIDTH - bounds.w * k) / 2, y: (HEIGHT - bounds.h * k) / 2 };
  }

  private paint(ratio: number): void {
    this.pending = 0;
    const { k, x, y } = this.frame();
    const context = this.canvas.getContext("2d")!;
    const colours = (this.colours ??= this.readColours());
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, WIDTH, HEIGHT);
    for (const box of this.drawing.picture.boxes) {
      context.fillStyle = box.unfolded ? colours.around : colours.box;
      context.fillRect(
        x + box.x * k,
        y + box.y * k,
        Math.max(1.5, box.w * k),
        Math.max(1.5, box.h * k),
      );
    }
    const { transform, size } = this.camera;
    const left = Math.max(1, x + transform.invertX(0) * k);
    const top = Math.max(1, y + transform.invertY(0) * k);
    const right = Math.min(WIDTH - 1, x + transform.invertX(size.w) * k);
    const bottom = Math.min(HEIGHT - 1, y + transform.invertY(size.h) * k);
    const { bounds } = this.drawing.picture;
    const whole =
      transform.applyX(bounds.x) >= -4 &&
      transform.applyX(bounds.x + bounds.w) <= size.w + 4 &&
      transform.applyY(bounds.y) >= -4 &&
      transform.applyY(bounds.y + bounds.h) <= size.h + 4;
    this.canvas.parentElement!.classList.toggle("whole", whole);
    context.strokeStyle = colours.view;
    context.lineWidth = 1.5;
    context.strokeRect(left, top, Math.max(2, right - left), Math.max(2, bottom - top));
  }

  private readColours(): { box: string; around: string; view: string } {
    const style = getComputedStyle(this.canvas);
    const colour = (name: string): string => style.getPropertyValue(name).trim();
    return { box: colour("--map-box"), around: colour("--map-around"), view: colour("--map-view") };
  }

  private go(event: PointerEvent): void {
    const { k, x, y } = this.frame();
    const worldX = (event.offsetX - x) / k;
    const worldY = (event.offsetY - y) / k;
    const { size, transform } = this.camera;
    this.camera.set(
      transformOf(
        size.w / 2 - worldX * transform.k,
        size.h / 2 - worldY * transform.k,
        transform.k,
      ),
    );
  }
}
