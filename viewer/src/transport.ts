// The bar at the foot: the backward pass as an animation, and the slider over training steps.
import { announce, button, byId, calm, html } from "./dom";
import { formatCount, formatNumber } from "./format";
import { sparkline } from "./histogram";
import { icon } from "./icons";
import type { State } from "./state";

/** One event of a small graph takes this long; a large graph plays in LONGEST altogether. */
const EVENT = 620;
const LONGEST = 14000;

export class Transport {
  private readonly bar = byId("transport");
  private slider!: HTMLInputElement;
  private counter!: HTMLElement;
  private now!: HTMLElement;
  private playButton!: HTMLButtonElement;
  private frame = 0;
  private playing = false;
  private position = 0;
  private last = 0;

  constructor(private readonly state: State) {
    this.build();
    state.on("backward", () => this.show());
    state.on("values", () => this.steps());
    state.on("scene", () => this.show());
  }

  private get total(): number {
    return this.state.graph.byOrder.length;
  }

  private build(): void {
    const { state } = this;
    this.playButton = button("Play the backward pass (space)", icon("play"), () => this.toggle(), {
      class: "primary",
      id: "play",
    });
    this.slider = html("input", {
      type: "range",
      id: "backward-slider",
      min: 0,
      max: this.total,
      value: this.total,
      step: 1,
      "aria-label": "Position in the backward pass",
    });
    this.slider.addEventListener("input", () => {
      this.pause();
      this.go(Number(this.slider.value));
    });
    this.counter = html("span", { class: "counter", id: "backward-counter" });
    this.now = html("span", { class: "now", id: "backward-now" });
    const controls = html(
      "div",
      { class: "backward-controls", role: "group", "aria-label": "Backward pass" },
      button(
        "Back to the start of the backward pass",
        icon("start"),
        () => {
          this.pause();
          this.go(0);
        },
        { id: "backward-start" },
      ),
      button("One step back (,)", icon("back"), () => this.step(-1), { id: "step-back" }),
      this.playButton,
      button("One step (.)", icon("step"), () => this.step(1), { id: "step" }),
      this.slider,
      this.counter,
      this.now,
      button("Leave the animation: show all gradients", icon("close"), () => this.leave(), {
        id: "backward-leave",
        class: "quiet",
      }),
    );
    this.bar.replaceChildren(html("span", { class: "bar-title" }, "Backward"), controls);
    if (!this.total) {
      controls.replaceChildren(
        html("span", { class: "hint" }, "The order of the backward pass was not recorded."),
      );
    }
    if (state.payload.steps.length > 1)
      this.bar.append(html("div", { id: "training", class: "training" }));
    this.steps();
    this.show();
  }

  toggle(): void {
    if (!this.total) return;
    if (this.playing) this.pause();
    else this.play();
  }

  private play(): void {
    const { arrived } = this.state;
    this.position = arrived === null || arrived >= this.total ? 0 : arrived;
    if (this.position === 0) this.state.setArrived(0);
    this.playing = true;
    this.last = performance.now();
    const speed = this.total / Math.min(LONGEST, this.total * EVENT);
    const tick = (now: number): void => {
      this.position += (now - this.last) * speed;
      this.last = now;
      const whole = Math.min(this.total, Math.floor(this.position));
      if (whole !== this.state.arrived) this.state.setArrived(whole);
      if (whole >= this.total) this.pause();
      if (this.playing) this.frame = requestAnimationFrame(tick);
    };
    this.frame = requestAnimationFrame(tick);
    this.show();
  }

  pause(): void {
    if (!this.playing) return;
    this.playing = false;
    cancelAnimationFrame(this.frame);
    this.show();
  }

  leave(): void {
    this.pause();
    if (this.state.arrived !== null) this.state.setArrived(null);
  }

  private go(position: number): void {
    this.state.setArrived(Math.max(0, Math.min(this.total, position)));
  }

  /** To the next event that is seen: gradients inside one folded box count as one. */
  step(direction: 1 | -1): void {
    if (!this.total) return;
    this.pause();
    const { state } = this;
    const shown = state.visibleItems();
    const box = (position: number): number => shown[state.graph.byOrder[position - 1] ?? -1] ?? -1;
    let at = state.arrived ?? (direction > 0 ? 0 : this.total);
    if (direction > 0) {
      if (at >= this.total) return;
      at++;
      while (at < this.total && box(at + 1) === box(at)) at++;
    } else {
      const start = box(at);
      while (at > 0 && box(at) === start) at--;
    }
    this.go(at);
    const node = state.graph.byOrder[at - 1];
    if (node !== undefined) announce(`gradient of ${state.graph.title(node)}`);
  }

  private show(): void {
    const { state } = this;
    if (!this.total) return;
    const at = state.arrived ?? this.total;
    this.slider.max = String(this.total);
    this.slider.value = String(at);
    this.slider.style.setProperty("--part", `${(100 * at) / Math.max(1, this.total)}%`);
    this.counter.textContent = `${formatCount(at)} / ${formatCount(this.total)}`;
    const node = state.graph.byOrder[at - 1];
    this.now.textContent =
      state.arrived === null
        ? ""
        : node === undefined
          ? "the gradient of the loss is 1"
          : `∂L/∂${state.graph.title(node)}`;
    this.playButton.replaceChildren(icon(this.playing ? "pause" : "play"));
    this.playButton.setAttribute("aria-pressed", String(this.playing));
    this.bar.classList.toggle("active", state.arrived !== null);
    if (calm()) this.bar.classList.add("calm");
  }

  private steps(): void {
    const box = document.getElementById("training");
    if (!box) return;
    const { steps } = this.state.payload;
    const { step } = this.state;
    const current = steps[step]!;
    let slider = box.querySelector<HTMLInputElement>("input");
    if (!slider) {
      slider = html("input", {
        type: "range",
        id: "training-slider",
        min: 0,
        max: steps.length - 1,
        value: step,
        step: 1,
        "aria-label": "Training step",
      });
      slider.addEventListener("input", () => this.state.setStep(Number(slider!.value)));
      box.append(
        html("span", { class: "bar-title" }, "Training"),
        slider,
        html("span", { class: "training-now" }),
        html("span", { class: "curve" }),
      );
    }
    slider.value = String(step);
    slider.style.setProperty("--part", `${(100 * step) / Math.max(1, steps.length - 1)}%`);
    slider.setAttribute("aria-valuetext", current.label);
    const now = box.querySelector(".training-now")!;
    now.replaceChildren(
      html("strong", {}, current.label),
      html("span", { class: "loss" }, ` loss ${formatNumber(current.loss)}`),
    );
    box.querySelector(".curve")!.replaceChildren(
      sparkline(
        steps.map((one) => one.loss),
        step,
      ),
    );
  }
}
