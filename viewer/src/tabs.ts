// Tab lists: a click or the arrow keys show one panel of several.
import { byId } from "./dom";

export function setupTabs(ids: string[], onShow: (id: string) => void, panels = true): void {
  const tabs = ids.map((id) => byId<HTMLButtonElement>(id));
  const show = (chosen: HTMLButtonElement): void => {
    for (const tab of tabs) {
      const on = tab === chosen;
      tab.setAttribute("aria-selected", String(on));
      tab.tabIndex = on ? 0 : -1;
      if (panels) byId(tab.getAttribute("aria-controls")!).hidden = !on;
    }
    onShow(chosen.id);
  };
  tabs.forEach((tab, index) => {
    tab.addEventListener("click", () => show(tab));
    tab.addEventListener("keydown", (event) => {
      const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
      if (!step) return;
      event.stopPropagation();
      const next = tabs[(index + step + tabs.length) % tabs.length]!;
      show(next);
      next.focus();
    });
  });
}
